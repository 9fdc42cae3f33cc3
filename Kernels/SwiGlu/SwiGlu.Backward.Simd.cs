using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="ITrainingKernels.SwiGluBackward"/>
    public void SwiGluBackward(Tensor gateUp, Tensor dy, Tensor dGateUp)
    {
        SwiGluBackwardJob job = new(gateUp.Pointer<float>(), dy.Pointer<float>(), dGateUp.Pointer<float>(), dy.Columns);
        _pool.For(ref job, dy.Rows, Math.Max(1, ElementsPerChunk / Math.Max(1, 2 * dy.Columns)));
    }

    private readonly struct SwiGluBackwardJob(float* gateUp, float* dy, float* dGateUp, int width) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int r = begin; r < end; r++)
            {
                float* gate = gateUp + (long)r * 2 * width;
                float* gradient = dy + (long)r * width;
                float* target = dGateUp + (long)r * 2 * width;
                int i = 0;
                for (; i <= width - 16; i += 16)
                {
                    Differentiate(TLanes.Load(gate + i), out TLanes silu, out TLanes derivative);
                    TLanes dOutput = TLanes.Load(gradient + i);
                    TLanes.Store(dOutput * TLanes.Load(gate + width + i) * derivative, target + i);
                    TLanes.Store(dOutput * silu, target + width + i);
                }
                int rest = width - i;
                if (rest > 0)
                {
                    Differentiate(LaneTail<TLanes>.Load(gate + i, rest), out TLanes silu, out TLanes derivative);
                    TLanes dOutput = LaneTail<TLanes>.Load(gradient + i, rest);
                    LaneTail<TLanes>.Store(dOutput * LaneTail<TLanes>.Load(gate + width + i, rest) * derivative, target + i, rest);
                    LaneTail<TLanes>.Store(dOutput * silu, target + width + i, rest);
                }
            }
        }

        // silu as in the forward pass, and σ(z) + silu(z)·σ(−z).
        private static void Differentiate(TLanes z, out TLanes silu, out TLanes derivative)
        {
            silu = LaneMath<TLanes>.Silu(z);
            // Beyond these bounds the derivative is 1 or smaller than 1e-35; the order of the operands keeps a NaN.
            TLanes bounded = TLanes.Min(TLanes.Broadcast(86f), TLanes.Max(TLanes.Broadcast(-86f), z));
            TLanes one = TLanes.Broadcast(1f), power = LaneMath<TLanes>.Exp(TLanes.Zero - bounded), sigmoid = one / (one + power);
            derivative = TLanes.FusedMultiplyAdd(bounded * sigmoid, power * sigmoid, sigmoid);
            derivative = TLanes.SelectLess(z, TLanes.Broadcast(-87f), TLanes.Zero, derivative);
        }
    }
}
