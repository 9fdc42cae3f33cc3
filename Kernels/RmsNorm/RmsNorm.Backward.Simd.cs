using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    // Sums over groups or rows: one block is one item, and blocks are combined in order.
    private const int ReductionBlock = 64;

    private NativeBuffer? _partialSums;

    /// <inheritdoc cref="ITrainingKernels.RmsNormBackward"/>
    public void RmsNormBackward(Tensor x, Tensor weight, float epsilon, Tensor dy, Tensor dx, Tensor dw)
    {
        int width = (int)weight.Count;
        if (width == 0 || x.Count == 0)
            return;
        int groups = checked((int)(x.Count / width)), blocks = (groups + ReductionBlock - 1) / ReductionBlock;
        float* partial = ReserveScratch(ref _partialSums, (long)blocks * width * sizeof(float));
        RmsNormBackwardJob job = new(
            x.Pointer<float>(), weight.Pointer<float>(), epsilon, dy.Pointer<float>(), dx.Pointer<float>(), partial, width, groups);
        _pool.For(ref job, blocks);
        AddBlocksJob add = new(partial, dw.Pointer<float>(), width, blocks);
        _pool.For(ref add, (width + 15) / 16, Math.Max(1, ElementsPerChunk / (16 * blocks)));
    }

    // Item: a block of groups, whose part of dw it leaves in a row of its own.
    private readonly struct RmsNormBackwardJob(
        float* x, float* weight, float epsilon, float* dy, float* dx, float* partial, int width, int groups) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int block = begin; block < end; block++)
            {
                float* sums = partial + (long)block * width;
                new Span<float>(sums, width).Clear();
                for (int group = block * ReductionBlock; group < Math.Min(groups, (block + 1) * ReductionBlock); group++)
                    Group((long)group * width, sums);
            }
        }

        private void Group(long start, float* sums)
        {
            RmsNormJob.Root(x + start, width, epsilon, out float scale, out float inverse);
            TLanes factor = TLanes.Broadcast(scale), root = TLanes.Broadcast(inverse), dot = TLanes.Zero;
            float* source = x + start;
            float* gradient = dy + start;
            int whole = width / 16 * 16, rest = width - whole;
            for (int i = 0; i < whole; i += 16)
                dot = TLanes.FusedMultiplyAdd(TLanes.Load(weight + i) * TLanes.Load(gradient + i), TLanes.Load(source + i) * factor * root, dot);
            if (rest > 0)
            {
                TLanes scaled = LaneTail<TLanes>.Load(weight + whole, rest) * LaneTail<TLanes>.Load(gradient + whole, rest);
                dot = TLanes.FusedMultiplyAdd(scaled, LaneTail<TLanes>.Load(source + whole, rest) * factor * root, dot);
            }
            TLanes mean = TLanes.Broadcast(-TLanes.Sum(dot) / width), total = factor * root;
            for (int i = 0; i < whole; i += 16)
            {
                TLanes dOutput = TLanes.Load(gradient + i), normalized = TLanes.Load(source + i) * factor * root;
                TLanes.Store(total * TLanes.FusedMultiplyAdd(normalized, mean, TLanes.Load(weight + i) * dOutput), dx + start + i);
                TLanes.Store(TLanes.FusedMultiplyAdd(dOutput, normalized, TLanes.Load(sums + i)), sums + i);
            }
            if (rest > 0)
            {
                TLanes dOutput = LaneTail<TLanes>.Load(gradient + whole, rest);
                TLanes normalized = LaneTail<TLanes>.Load(source + whole, rest) * factor * root;
                TLanes dInput = TLanes.FusedMultiplyAdd(normalized, mean, LaneTail<TLanes>.Load(weight + whole, rest) * dOutput);
                LaneTail<TLanes>.Store(total * dInput, dx + start + whole, rest);
                TLanes sum = TLanes.FusedMultiplyAdd(dOutput, normalized, LaneTail<TLanes>.Load(sums + whole, rest));
                LaneTail<TLanes>.Store(sum, sums + whole, rest);
            }
        }
    }

    // Item: sixteen columns. target += the rows of partial in rising order.
    private readonly struct AddBlocksJob(float* partial, float* target, int width, int blocks) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int i = begin * 16; i < Math.Min(end * 16, width); i += 16)
            {
                int rest = Math.Min(16, width - i);
                TLanes sum = LaneTail<TLanes>.Load(target + i, rest);
                for (int block = 0; block < blocks; block++)
                    sum += LaneTail<TLanes>.Load(partial + (long)block * width + i, rest);
                LaneTail<TLanes>.Store(sum, target + i, rest);
            }
        }
    }
}
