using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes> : IOptimizerKernels
{
    // Eight bytes for each block of elements.
    private readonly GrowingBuffer _blockResults = new();

    /// <inheritdoc cref="IOptimizerKernels.SumOfSquares"/>
    public double SumOfSquares(Tensor x)
    {
        OptimizerTensors.Check(DType.F32, x.Count, x);
        return SumOfSquares(x.Pointer<float>(), x.Count);
    }

    private double SumOfSquares(float* x, long count)
    {
        int blocks = BlockJob<SquareSumBlocks>.Blocks(count);
        double* sums = (double*)_blockResults.Reserve((long)blocks * sizeof(double));
        BlockJob<SquareSumBlocks>.Run(_pool, new SquareSumBlocks(x, sums), count);
        double sum = 0;
        for (int block = 0; block < blocks; block++)
            sum += sums[block];
        return sum;
    }

    /// <inheritdoc cref="IOptimizerKernels.Scale"/>
    public void Scale(Tensor x, double factor)
    {
        OptimizerTensors.Check(DType.F32, x.Count, x);
        BlockJob<ScaleBlocks>.Run(_pool, new ScaleBlocks(x.Pointer<float>(), (float)factor), x.Count);
    }

    /// <inheritdoc cref="IOptimizerKernels.AdamW"/>
    public void AdamW(Tensor gradient, in AdamWStep step, Tensor weight, Tensor mean, Tensor variance)
    {
        OptimizerTensors.Check(DType.F32, weight.Count, gradient, weight, mean, variance);
        AdamWBlocks operation = new(gradient.Pointer<float>(), weight.Pointer<float>(), mean.Pointer<float>(), variance.Pointer<float>(), in step);
        BlockJob<AdamWBlocks>.Run(_pool, operation, weight.Count);
    }

    /// <inheritdoc cref="IOptimizerKernels.NesterovMomentum"/>
    public void NesterovMomentum(Tensor gradient, double momentum, Tensor average, Tensor update, long offset)
    {
        OptimizerTensors.Check(DType.F32, gradient.Count, gradient, average);
        OptimizerTensors.CheckPart(DType.F32, update, offset, gradient.Count);
        MomentumBlocks operation = new(gradient.Pointer<float>(), average.Pointer<float>(), update.Pointer<float>() + offset, momentum);
        BlockJob<MomentumBlocks>.Run(_pool, operation, gradient.Count);
    }

    /// <inheritdoc cref="IOptimizerKernels.DecayedStep"/>
    public void DecayedStep(Tensor update, long offset, double decay, double step, Tensor weight)
    {
        OptimizerTensors.Check(DType.F32, weight.Count, weight);
        OptimizerTensors.CheckPart(DType.F32, update, offset, weight.Count);
        DecayedStepBlocks operation = new(update.Pointer<float>() + offset, weight.Pointer<float>(), (float)decay, (float)-step);
        BlockJob<DecayedStepBlocks>.Run(_pool, operation, weight.Count);
    }

    private readonly struct ScaleBlocks(float* x, float factor) : IBlockOperation
    {
        public void Run(long begin, long end) => LaneLoops<TLanes>.Scale(x + begin, factor, x + begin, (int)(end - begin));
    }

    private readonly struct AdamWBlocks(float* g, float* w, float* m, float* v, in AdamWStep step) : IBlockOperation
    {
        private readonly float _beta1 = (float)step.Beta1, _rest1 = (float)(1 - step.Beta1);
        private readonly float _beta2 = (float)step.Beta2, _rest2 = (float)(1 - step.Beta2);
        private readonly float _decay = (float)step.Decay, _stepSize = (float)-step.StepSize;
        private readonly float _correction = (float)step.RootCorrection, _epsilon = (float)step.Epsilon;

        public void Run(long begin, long end)
        {
            long i = begin;
            for (; i + 16 <= end; i += 16)
            {
                TLanes mean = TLanes.Load(m + i), square = TLanes.Load(v + i);
                TLanes.Store(Update(TLanes.Load(g + i), TLanes.Load(w + i), ref mean, ref square), w + i);
                TLanes.Store(mean, m + i);
                TLanes.Store(square, v + i);
            }
            if (i < end)
            {
                int rest = (int)(end - i);
                TLanes mean = LaneTail<TLanes>.Load(m + i, rest), square = LaneTail<TLanes>.Load(v + i, rest);
                TLanes weight = Update(LaneTail<TLanes>.Load(g + i, rest), LaneTail<TLanes>.Load(w + i, rest), ref mean, ref square);
                LaneTail<TLanes>.Store(weight, w + i, rest);
                LaneTail<TLanes>.Store(mean, m + i, rest);
                LaneTail<TLanes>.Store(square, v + i, rest);
            }
        }

        private TLanes Update(TLanes gradient, TLanes weight, ref TLanes mean, ref TLanes square)
        {
            mean = TLanes.FusedMultiplyAdd(TLanes.Broadcast(_beta1), mean, TLanes.Broadcast(_rest1) * gradient);
            square = TLanes.FusedMultiplyAdd(TLanes.Broadcast(_beta2), square, TLanes.Broadcast(_rest2) * gradient * gradient);
            TLanes root = TLanes.FusedMultiplyAdd(TLanes.Sqrt(square), TLanes.Broadcast(_correction), TLanes.Broadcast(_epsilon));
            return TLanes.FusedMultiplyAdd(TLanes.Broadcast(_stepSize), mean / root, weight * TLanes.Broadcast(_decay));
        }
    }

    private readonly struct MomentumBlocks(float* g, float* m, float* u, double momentum) : IBlockOperation
    {
        private readonly float _momentum = (float)momentum, _rest = (float)(1 - momentum);

        public void Run(long begin, long end)
        {
            TLanes mu = TLanes.Broadcast(_momentum), rest = TLanes.Broadcast(_rest);
            long i = begin;
            for (; i + 16 <= end; i += 16)
            {
                TLanes share = rest * TLanes.Load(g + i);
                TLanes average = TLanes.FusedMultiplyAdd(mu, TLanes.Load(m + i), share);
                TLanes.Store(average, m + i);
                TLanes.Store(TLanes.FusedMultiplyAdd(mu, average, share), u + i);
            }
            if (i < end)
            {
                int count = (int)(end - i);
                TLanes share = rest * LaneTail<TLanes>.Load(g + i, count);
                TLanes average = TLanes.FusedMultiplyAdd(mu, LaneTail<TLanes>.Load(m + i, count), share);
                LaneTail<TLanes>.Store(average, m + i, count);
                LaneTail<TLanes>.Store(TLanes.FusedMultiplyAdd(mu, average, share), u + i, count);
            }
        }
    }

    private readonly struct DecayedStepBlocks(float* o, float* w, float decay, float step) : IBlockOperation
    {
        public void Run(long begin, long end)
        {
            TLanes d = TLanes.Broadcast(decay), s = TLanes.Broadcast(step);
            long i = begin;
            for (; i + 16 <= end; i += 16)
                TLanes.Store(TLanes.FusedMultiplyAdd(s, TLanes.Load(o + i), TLanes.Load(w + i) * d), w + i);
            if (i < end)
            {
                int count = (int)(end - i);
                TLanes updated = TLanes.FusedMultiplyAdd(s, LaneTail<TLanes>.Load(o + i, count), LaneTail<TLanes>.Load(w + i, count) * d);
                LaneTail<TLanes>.Store(updated, w + i, count);
            }
        }
    }
}
