using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>What the kernels of a device keep beside weights, caches and activations, for plans that are made without one.</summary>
public sealed partial class GpuKernels
{
    /// <summary>The columns that a weight matrix of <paramref name="columns"/> has on a device.</summary>
    public static long PaddedColumns(int columns) => ((long)columns + ColumnMultiple - 1) / ColumnMultiple * ColumnMultiple;

    /// <summary>The bytes of the tables for one set of rotary parameters: 3 digits of 2048 values, cos and sin in float64.</summary>
    /// <param name="dimension">The width of a head.</param>
    public static long RotaryTableBytes(int dimension) => (long)RotationDigits * RotationBase * dimension * sizeof(double);

    /// <summary>The bytes that the splits of attention's keys take: queries · heads · splits · (dimension + 2) in float32.</summary>
    /// <param name="queryHeads">The query heads.</param>
    /// <param name="dimension">The width of a head.</param>
    /// <param name="slots">The positions that the cache has room for.</param>
    /// <param name="window">The window of a sliding layer; 0 for full attention.</param>
    public static long SplitBytes(int queryHeads, int dimension, int slots, int window) =>
        SplitScratchCount(queryHeads, dimension, MostSplits(slots, window)) * sizeof(float);
}
