using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.SwiGlu"/>
    public void SwiGlu(Tensor gateUp, Tensor y)
    {
        SwiGluJob job = new(gateUp.Pointer<float>(), y.Pointer<float>(), y.Columns);
        _pool.For(ref job, y.Rows, Math.Max(1, ElementsPerChunk / Math.Max(1, y.Columns)));
    }

    private readonly struct SwiGluJob(float* gateUp, float* y, int width) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int r = begin; r < end; r++)
            {
                float* gate = gateUp + (long)r * 2 * width;
                float* up = gate + width;
                float* target = y + (long)r * width;
                int i = 0;
                for (; i <= width - 16; i += 16)
                    TLanes.Store(LaneMath<TLanes>.Silu(TLanes.Load(gate + i)) * TLanes.Load(up + i), target + i);
                int rest = width - i;
                if (rest > 0)
                {
                    TLanes silu = LaneMath<TLanes>.Silu(LaneTail<TLanes>.Load(gate + i, rest));
                    LaneTail<TLanes>.Store(silu * LaneTail<TLanes>.Load(up + i, rest), target + i, rest);
                }
            }
        }
    }
}
