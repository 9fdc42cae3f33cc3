using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    // Maximum and sum of every block; kept, so that a call allocates nothing once it has seen its shape.
    private NativeBuffer? _blockSums;

    /// <inheritdoc cref="IForwardKernels.LogSumExp"/>
    public void LogSumExp(Tensor logits, Tensor lse)
    {
        int rows = logits.Rows, blocks = (logits.Columns + LogSumExpJob.BlockSize - 1) / LogSumExpJob.BlockSize;
        float* maxima = ReserveScratch(ref _blockSums, 2L * rows * blocks * sizeof(float));
        float* sums = maxima + (long)rows * blocks;
        LogSumExpJob job = new(logits.Pointer<float>(), maxima, sums, logits.Columns, blocks);
        _pool.For(ref job, checked(rows * blocks), Math.Max(1, ElementsPerChunk / Math.Clamp(logits.Columns, 1, LogSumExpJob.BlockSize)));
        for (int t = 0; t < rows; t++)
            lse.Pointer<float>()[t] = LogSumExpJob.Combine(maxima + (long)t * blocks, sums + (long)t * blocks, blocks);
    }

    /// <summary>A buffer of at least <paramref name="bytes"/> bytes that stays for the next call.</summary>
    private static float* ReserveScratch(ref NativeBuffer? buffer, long bytes)
    {
        if (buffer is null || buffer.ByteLength < bytes)
        {
            buffer?.Dispose();
            buffer = null;
            buffer = new NativeBuffer(bytes);
        }
        return (float*)buffer.Pointer;
    }

    private readonly struct LogSumExpJob(float* logits, float* maxima, float* sums, int width, int blocks) : IParallelJob
    {
        /// <summary>The numbers of a block: 16 KB, which its second pass finds in the first cache.</summary>
        public const int BlockSize = 4096;

        public void Run(int begin, int end, int worker)
        {
            for (int item = begin; item < end; item++)
            {
                int start = item % blocks * BlockSize;
                float* block = logits + (long)(item / blocks) * width + start;
                maxima[item] = SumBlock(block, Math.Min(BlockSize, width - start), out sums[item]);
            }
        }

        /// <summary>ln Σ_b sums[b] · e^{maxima[b]}; an infinite maximum is the result, unless there is a NaN.</summary>
        public static float Combine(float* maxima, float* sums, int blocks)
        {
            float maximum = float.NegativeInfinity;
            for (int b = 0; b < blocks; b++)
                maximum = maxima[b] > maximum ? maxima[b] : maximum;
            TLanes shift = TLanes.Broadcast(Finite(maximum)), sum = TLanes.Zero;
            for (int b = 0; b < blocks; b += 16)
            {
                int count = Math.Min(16, blocks - b);
                TLanes exp = LaneMath<TLanes>.Exp(LaneTail<TLanes>.Load(maxima + b, count, float.NegativeInfinity) - shift);
                sum = TLanes.FusedMultiplyAdd(LaneTail<TLanes>.Load(sums + b, count), exp, sum);
            }
            float total = TLanes.Sum(sum);
            return float.IsInfinity(maximum) && !float.IsNaN(total) ? maximum : maximum + LaneMath<TLanes>.Log(total);
        }

        private static float SumBlock(float* block, int count, out float sum)
        {
            int whole = count / 16 * 16, rest = count - whole;
            TLanes last = LaneTail<TLanes>.Load(block + whole, rest, float.NegativeInfinity);
            TLanes lanes = last;
            for (int i = 0; i < whole; i += 16)
                lanes = TLanes.Max(TLanes.Load(block + i), lanes);
            float maximum = TLanes.MaxLane(lanes);
            TLanes shift = TLanes.Broadcast(Finite(maximum)), total = TLanes.Zero;
            for (int i = 0; i < whole; i += 16)
                total += LaneMath<TLanes>.Exp(TLanes.Load(block + i) - shift);
            sum = TLanes.Sum(total + LaneMath<TLanes>.Exp(last - shift));
            return maximum;
        }

        // Infinity minus infinity would be NaN where the sum is infinite or zero.
        private static float Finite(float maximum) => float.IsFinite(maximum) ? maximum : 0;
    }
}
