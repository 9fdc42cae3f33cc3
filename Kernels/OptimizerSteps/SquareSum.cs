using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Sums of squares in float64: sixteen lanes (index mod 16) within a block, blocks in order. The square of a float32 number
/// is exact, so a fused multiply-add gives the same bits as a product and a sum. One width serves every machine.
/// </summary>
internal static unsafe class SquareSum
{
    /// <summary>Σ x² of a few numbers, at most a block.</summary>
    public static double Block(float* x, long count)
    {
        Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
        long i = 0;
        for (; i + 16 <= count; i += 16)
        {
            Vector256<float> low = Vector256.Load(x + i), high = Vector256.Load(x + i + 8);
            s0 = Add(s0, Vector256.WidenLower(low));
            s1 = Add(s1, Vector256.WidenUpper(low));
            s2 = Add(s2, Vector256.WidenLower(high));
            s3 = Add(s3, Vector256.WidenUpper(high));
        }
        double* lanes = stackalloc double[16];
        s0.Store(lanes);
        s1.Store(lanes + 4);
        s2.Store(lanes + 8);
        s3.Store(lanes + 12);
        for (int lane = 0; i < count; i++, lane++)
            lanes[lane] += (double)x[i] * x[i];
        for (int width = 8; width > 0; width /= 2)
            for (int lane = 0; lane < width; lane++)
                lanes[lane] += lanes[lane + width];
        return lanes[0];
    }

    /// <summary>Σ x² on the calling thread, the same bits as <see cref="IOptimizerKernels.SumOfSquares"/>.</summary>
    public static double All(float* x, long count)
    {
        double sum = 0;
        for (long begin = 0; begin < count; begin += BlockJob<SquareSumBlocks>.Length)
            sum += Block(x + begin, Math.Min(BlockJob<SquareSumBlocks>.Length, count - begin));
        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<double> Add(Vector256<double> sum, Vector256<double> x) => Vector256.FusedMultiplyAdd(x, x, sum);
}

/// <summary>The sums of a tensor's blocks.</summary>
internal readonly unsafe struct SquareSumBlocks(float* x, double* sums) : IBlockOperation
{
    public void Run(long begin, long end) => sums[begin / BlockJob<SquareSumBlocks>.Length] = SquareSum.Block(x + begin, end - begin);
}
