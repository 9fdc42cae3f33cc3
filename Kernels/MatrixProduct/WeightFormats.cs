using System.Runtime.CompilerServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>How dwords of a panel become float32 weights: each one exact, times its scale rounded once.</summary>
internal unsafe interface IWeightFormat<T> where T : struct, ILanes<T>
{
    /// <summary>The weights of a dword: 2 or 4.</summary>
    static abstract int Group { get; }

    /// <summary>What a factor is multiplied by when it is loaded; the factor itself where there are no scales.</summary>
    static abstract float ScaleFactor { get; }

    /// <summary>Decodes sixteen dwords: the weights of sixteen rows at the first, second … column of the group.</summary>
    static abstract void Decode(uint* source, T scale, out T w0, out T w1, out T w2, out T w3);
}

/// <summary>bfloat16: a shift.</summary>
internal readonly unsafe struct BFloat16Weights<T> : IWeightFormat<T> where T : struct, ILanes<T>
{
    public static int Group => 2;

    public static float ScaleFactor => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode(uint* source, T scale, out T w0, out T w1, out T w2, out T w3)
    {
        T.LoadBFloat16Pairs(source, out w0, out w1);
        w2 = w3 = default;
    }
}

/// <summary>binary16: a shift, then the factor 2¹¹² as the "scale".</summary>
internal readonly unsafe struct Float16Weights<T> : IWeightFormat<T> where T : struct, ILanes<T>
{
    public static int Group => 2;

    public static float ScaleFactor => Float16.Scale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode(uint* source, T scale, out T w0, out T w1, out T w2, out T w3)
    {
        T.LoadFloat16Pairs(source, out w0, out w1);
        w0 *= scale;
        w1 *= scale;
        w2 = w3 = default;
    }
}

/// <summary>
/// E4M3 with factors below 2⁸: 2¹²⁰ is folded into the factor, which stays finite and exact, so that the one product
/// rounds as code · factor does.
/// </summary>
internal readonly unsafe struct Float8Weights<T> : IWeightFormat<T> where T : struct, ILanes<T>
{
    /// <summary>Factors from here on overflow when they are folded.</summary>
    public const float FoldLimit = 256;

    public static int Group => 4;

    public static float ScaleFactor => Float8E4M3.Scale;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode(uint* source, T scale, out T w0, out T w1, out T w2, out T w3)
    {
        T.LoadE4M3Quads(source, out w0, out w1, out w2, out w3);
        w0 *= scale;
        w1 *= scale;
        w2 *= scale;
        w3 *= scale;
    }
}

/// <summary>E4M3 with factors of any size: the code first, exactly, then its factor.</summary>
internal readonly unsafe struct Float8WideWeights<T> : IWeightFormat<T> where T : struct, ILanes<T>
{
    public static int Group => 4;

    public static float ScaleFactor => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Decode(uint* source, T scale, out T w0, out T w1, out T w2, out T w3)
    {
        T unit = T.Broadcast(Float8E4M3.Scale);
        T.LoadE4M3Quads(source, out w0, out w1, out w2, out w3);
        w0 = w0 * unit * scale;
        w1 = w1 * unit * scale;
        w2 = w2 * unit * scale;
        w3 = w3 * unit * scale;
    }
}
