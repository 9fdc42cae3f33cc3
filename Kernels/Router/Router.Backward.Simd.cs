using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="ITrainingKernels.RouteBackward"/>
    public void RouteBackward(Tensor probabilities, Tensor experts, Tensor weights, bool renormalize, Tensor dWeights, Tensor dLogits)
    {
        RouteBackwardJob job = new(
            probabilities.Pointer<float>(), experts.Pointer<int>(), weights.Pointer<float>(), renormalize, dWeights.Pointer<float>(),
            dLogits.Pointer<float>(), probabilities.Columns, experts.Columns);
        _pool.For(ref job, probabilities.Rows, Math.Max(1, ElementsPerChunk / (4 * Math.Max(1, probabilities.Columns))));
    }

    /// <inheritdoc cref="ITrainingKernels.CountLoads"/>
    public void CountLoads(Tensor offsets, Tensor counts)
    {
        int* offset = offsets.Pointer<int>();
        for (int e = 0; e < counts.Count; e++)
            counts.Pointer<int>()[e] += offset[e + 1] - offset[e];
    }

    /// <inheritdoc cref="ITrainingKernels.RouterLosses"/>
    public void RouterLosses(Tensor probabilities, Tensor lse, Tensor counts, float balance, float zLoss, Tensor losses, Tensor dLogits)
    {
        int count = probabilities.Columns, rows = probabilities.Rows, blocks = (rows + ReductionBlock - 1) / ReductionBlock;
        float* loads = ReserveScratch(ref _partialSums, (count + 2L * blocks) * sizeof(float));
        float* sums = loads + count;
        long pairs = 0;
        foreach (int load in counts.Span<int>())
            pairs += load;
        for (int e = 0; e < count; e++)
            loads[e] = pairs == 0 ? 0 : (float)((double)counts.Pointer<int>()[e] / pairs);
        RouterLossesJob job = new(probabilities.Pointer<float>(), lse.Pointer<float>(), loads, sums, dLogits.Pointer<float>(), count, rows)
        {
            Balance = rows == 0 ? 0 : balance * count / rows,
            ZLoss = rows == 0 ? 0 : zLoss / rows,
        };
        _pool.For(ref job, blocks);
        double mean = 0, squares = 0;
        for (int block = 0; block < blocks; block++)
        {
            mean += sums[2 * block];
            squares += sums[2 * block + 1];
        }
        losses.Pointer<float>()[0] = (float)(job.Balance * mean);
        losses.Pointer<float>()[1] = (float)(job.ZLoss * squares);
    }

    private readonly struct RouteBackwardJob(
        float* probabilities, int* experts, float* weights, bool renormalize, float* dWeights, float* dLogits, int count, int k) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int t = begin; t < end; t++)
            {
                float* p = probabilities + (long)t * count;
                float* target = dLogits + (long)t * count;
                float* weight = weights + (long)t * k;
                float* gradient = dWeights + (long)t * k;
                float mean = 0;
                for (int slot = 0; slot < k; slot++)
                    mean = MathF.FusedMultiplyAdd(weight[slot], gradient[slot], mean);
                for (int e = 0; e < count; e++)
                    target[e] = renormalize ? 0 : -p[e] * mean;
                for (int slot = 0; slot < k; slot++)
                    target[experts[(long)t * k + slot]] = weight[slot] * (gradient[slot] - mean);
            }
        }
    }

    // Item: a block of rows. Its sums are Σ_t Σ_i f_i·p_{t,i} and Σ_t lse_t².
    private readonly struct RouterLossesJob(
        float* probabilities, float* lse, float* loads, float* sums, float* dLogits, int count, int rows) : IParallelJob
    {
        /// <summary>αE/T.</summary>
        public float Balance { get; init; }

        /// <summary>β/T.</summary>
        public float ZLoss { get; init; }

        public void Run(int begin, int end, int worker)
        {
            for (int block = begin; block < end; block++)
            {
                float total = 0, squares = 0;
                for (int t = block * ReductionBlock; t < Math.Min(rows, (block + 1) * ReductionBlock); t++)
                {
                    float* p = probabilities + (long)t * count;
                    float mean = Mean(p);
                    total += mean;
                    squares = MathF.FusedMultiplyAdd(lse[t], lse[t], squares);
                    AddGradient(p, mean, 2 * ZLoss * lse[t], dLogits + (long)t * count);
                }
                (sums[2 * block], sums[2 * block + 1]) = (total, squares);
            }
        }

        private float Mean(float* p)
        {
            TLanes sum = TLanes.Zero;
            int e = 0;
            for (; e <= count - 16; e += 16)
                sum = TLanes.FusedMultiplyAdd(TLanes.Load(loads + e), TLanes.Load(p + e), sum);
            if (e < count)
                sum = TLanes.FusedMultiplyAdd(LaneTail<TLanes>.Load(loads + e, count - e), LaneTail<TLanes>.Load(p + e, count - e), sum);
            return TLanes.Sum(sum);
        }

        private void AddGradient(float* p, float mean, float fromZ, float* target)
        {
            TLanes shift = TLanes.Broadcast(mean), factor = TLanes.Broadcast(Balance), z = TLanes.Broadcast(fromZ);
            for (int e = 0; e < count; e += 16)
            {
                int rest = Math.Min(16, count - e);
                TLanes slope = TLanes.FusedMultiplyAdd(factor, LaneTail<TLanes>.Load(loads + e, rest) - shift, z);
                TLanes sum = TLanes.FusedMultiplyAdd(LaneTail<TLanes>.Load(p + e, rest), slope, LaneTail<TLanes>.Load(target + e, rest));
                LaneTail<TLanes>.Store(sum, target + e, rest);
            }
        }
    }
}
