using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.Dispatch"/>
    public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place)
    {
        int* expert = experts.Pointer<int>();
        int* offset = offsets.Pointer<int>();
        int count = checked((int)offsets.Count - 1), pairs = checked((int)experts.Count);
        offsets.Span<int>().Clear();
        for (int i = 0; i < pairs; i++)
            offset[expert[i] + 1]++;
        for (int e = 0; e < count; e++)
            offset[e + 1] += offset[e];
        // The offsets serve as cursors: afterwards each stands where the next expert begins.
        for (int i = 0; i < pairs; i++)
        {
            int row = offset[expert[i]]++;
            order.Pointer<int>()[row] = i;
            place.Pointer<int>()[i] = row;
        }
        for (int e = count; e > 0; e--)
            offset[e] = offset[e - 1];
        offset[0] = 0;
    }

    /// <inheritdoc cref="IForwardKernels.Combine"/>
    public void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y)
    {
        CombineJob job = new(
            rows.Pointer<float>(), place.Pointer<int>(), weights.Pointer<float>(), y.Pointer<float>(), weights.Columns, rows.Columns);
        _pool.For(ref job, y.Rows, Math.Max(1, ElementsPerChunk / Math.Max(1, rows.Columns)));
    }

    private readonly struct CombineJob(float* rows, int* place, float* weights, float* y, int slots, int width) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int t = begin; t < end; t++)
            {
                float* target = y + (long)t * width;
                float* weight = weights + (long)t * slots;
                int* row = place + (long)t * slots;
                int i = 0;
                for (; i <= width - 16; i += 16)
                {
                    TLanes sum = TLanes.Zero;
                    for (int slot = 0; slot < slots; slot++)
                        sum = TLanes.FusedMultiplyAdd(TLanes.Broadcast(weight[slot]), TLanes.Load(rows + (long)row[slot] * width + i), sum);
                    TLanes.Store(sum, target + i);
                }
                for (; i < width; i++)
                {
                    float sum = 0;
                    for (int slot = 0; slot < slots; slot++)
                        sum = MathF.FusedMultiplyAdd(weight[slot], rows[(long)row[slot] * width + i], sum);
                    target[i] = sum;
                }
            }
        }
    }
}
