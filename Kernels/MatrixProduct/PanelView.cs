using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Kernels;

/// <summary>A panel of weights and its factors.</summary>
internal unsafe struct PanelView
{
    /// <summary>The dwords, [⌈K / g⌉][<see cref="Width"/>].</summary>
    public uint* Weights;

    /// <summary>The rows, padding included.</summary>
    public int Width;

    /// <summary>The weights of a dword.</summary>
    public int Group;

    /// <summary>The columns K.</summary>
    public int Columns;

    /// <summary>The factors, [blocks] or [blocks][panel rows]; null where there are none.</summary>
    public float* Scales;

    /// <summary>How many blocks of columns have factors.</summary>
    public int ScaleBlocks;

    /// <summary>The factors of a block: one for all rows, or one for each.</summary>
    public int ScaleStep;

    /// <summary>The dwords at column <paramref name="k"/>, which begins a group.</summary>
    public readonly uint* At(int k) => Weights + (long)(k / Group) * Width;

    /// <summary>The bytes of <paramref name="length"/> columns.</summary>
    public readonly long ChunkBytes(int length) => (long)length * Width * sizeof(uint) / Group;

    /// <summary>The scale block of column <paramref name="k"/>.</summary>
    public readonly int ScaleBlock(int k) => Math.Min(k / WeightScales.BlockSize, ScaleBlocks - 1);

    /// <summary>The column after the last of scale block <paramref name="block"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly int BlockEnd(int block) =>
        block == ScaleBlocks - 1 ? Columns : (block + 1) * WeightScales.BlockSize;

    /// <summary>The factors of the sixteen rows from <paramref name="lane"/> in scale block <paramref name="block"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly T Scale<T, TFormat>(int block, int lane) where T : struct, ILanes<T> where TFormat : struct, IWeightFormat<T>
    {
        T factor = T.Broadcast(TFormat.ScaleFactor);
        if (Scales == null)
            return factor;
        float* scales = Scales + (long)block * ScaleStep;
        return factor * (ScaleStep == 1 ? T.Broadcast(*scales) : T.Load(scales + lane));
    }
}
