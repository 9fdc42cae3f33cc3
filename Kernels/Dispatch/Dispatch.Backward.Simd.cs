using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="ITrainingKernels.CombineBackward"/>
    public void CombineBackward(Tensor rows, Tensor place, Tensor weights, Tensor dy, Tensor dRows, Tensor dWeights)
    {
        CombineBackwardJob job = new(
            rows.Pointer<float>(), place.Pointer<int>(), weights.Pointer<float>(), dy.Pointer<float>(), dRows.Pointer<float>(),
            dWeights.Pointer<float>(), weights.Columns, rows.Columns);
        _pool.For(ref job, checked((int)weights.Count), Math.Max(1, ElementsPerChunk / Math.Max(1, rows.Columns)));
    }

    /// <inheritdoc cref="ITrainingKernels.GatherBackward"/>
    public void GatherBackward(Tensor dRows, Tensor place, int slots, Tensor dx)
    {
        GatherBackwardJob job = new(dRows.Pointer<float>(), place.Pointer<int>(), dx.Pointer<float>(), slots, dx.Columns);
        _pool.For(ref job, dx.Rows, Math.Max(1, ElementsPerChunk / Math.Max(1, slots * dx.Columns)));
    }

    // Item: a (token, slot) pair.
    private readonly struct CombineBackwardJob(
        float* rows, int* place, float* weights, float* dy, float* dRows, float* dWeights, int slots, int width) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            int whole = width / 16 * 16, rest = width - whole;
            for (int pair = begin; pair < end; pair++)
            {
                float* gradient = dy + (long)(pair / slots) * width;
                float* row = rows + (long)place[pair] * width;
                float* target = dRows + (long)place[pair] * width;
                TLanes weight = TLanes.Broadcast(weights[pair]), sum = TLanes.Zero;
                for (int i = 0; i < whole; i += 16)
                {
                    TLanes dOutput = TLanes.Load(gradient + i);
                    sum = TLanes.FusedMultiplyAdd(dOutput, TLanes.Load(row + i), sum);
                    TLanes.Store(weight * dOutput, target + i);
                }
                if (rest > 0)
                {
                    TLanes dOutput = LaneTail<TLanes>.Load(gradient + whole, rest);
                    sum = TLanes.FusedMultiplyAdd(dOutput, LaneTail<TLanes>.Load(row + whole, rest), sum);
                    LaneTail<TLanes>.Store(weight * dOutput, target + whole, rest);
                }
                dWeights[pair] = TLanes.Sum(sum);
            }
        }
    }

    private readonly struct GatherBackwardJob(float* dRows, int* place, float* dx, int slots, int width) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int t = begin; t < end; t++)
            {
                float* target = dx + (long)t * width;
                new Span<float>(target, width).Clear();
                for (int slot = 0; slot < slots; slot++)
                    AddTo(dRows + (long)place[t * slots + slot] * width, target, width);
            }
        }
    }
}
