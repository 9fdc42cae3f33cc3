using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Kernels;

/// <summary>Fewer than sixteen numbers at the end of a row: nothing beyond them is read or written.</summary>
internal static unsafe class LaneTail<T> where T : struct, ILanes<T>
{
    /// <summary>The first <paramref name="count"/> lanes from memory, the others <paramref name="fill"/>.</summary>
    public static T Load(float* source, int count, float fill = 0)
    {
        float* lanes = stackalloc float[16];
        T.Store(T.Broadcast(fill), lanes);
        for (int i = 0; i < count; i++)
            lanes[i] = source[i];
        return T.Load(lanes);
    }

    /// <summary>Writes the first <paramref name="count"/> lanes.</summary>
    public static void Store(T value, float* target, int count)
    {
        float* lanes = stackalloc float[16];
        T.Store(value, lanes);
        for (int i = 0; i < count; i++)
            target[i] = lanes[i];
    }

    /// <summary>Writes the first <paramref name="count"/> lanes as bfloat16.</summary>
    public static void StoreBFloat16(T value, ushort* target, int count)
    {
        ushort* lanes = stackalloc ushort[16];
        T.StoreBFloat16(value, lanes);
        for (int i = 0; i < count; i++)
            target[i] = lanes[i];
    }
}
