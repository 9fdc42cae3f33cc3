namespace Mellum2.Managed.Kernels;

/// <summary>Loops over a row.</summary>
internal static unsafe class LaneLoops<T> where T : struct, ILanes<T>
{
    /// <summary>y = factor·x; y may be x.</summary>
    public static void Scale(float* x, float factor, float* y, int count)
    {
        T f = T.Broadcast(factor);
        int i = 0;
        for (; i + 16 <= count; i += 16)
            T.Store(T.Load(x + i) * f, y + i);
        if (i < count)
            LaneTail<T>.Store(LaneTail<T>.Load(x + i, count - i) * f, y + i, count - i);
    }

    /// <summary>y ← b·x + c·y.</summary>
    public static void Combine(float* x, float b, float* y, float c, int count)
    {
        T first = T.Broadcast(b), second = T.Broadcast(c);
        int i = 0;
        for (; i + 16 <= count; i += 16)
            T.Store(T.FusedMultiplyAdd(second, T.Load(y + i), first * T.Load(x + i)), y + i);
        if (i < count)
        {
            int rest = count - i;
            T combined = T.FusedMultiplyAdd(second, LaneTail<T>.Load(y + i, rest), first * LaneTail<T>.Load(x + i, rest));
            LaneTail<T>.Store(combined, y + i, rest);
        }
    }
}
