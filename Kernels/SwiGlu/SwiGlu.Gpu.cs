using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly GpuKernel<SwiGluArguments> _swiGlu = new("SwiGlu", SwiGluKernel);

    /// <inheritdoc/>
    public void SwiGlu(Tensor gateUp, Tensor y)
    {
        SwiGluArguments arguments = new() { GateUp = gateUp.View<float>(), Y = y.View<float>(), Width = y.Columns };
        _swiGlu.Run(_device, Groups(y.Count), 1, Threads, arguments);
    }

    /// <summary>One thread for each element of y.</summary>
    private static void SwiGluKernel(SwiGluArguments a)
    {
        long i = (long)Grid.IdxX * Threads + Group.IdxX;
        if (i >= a.Y.Length)
            return;
        // Row r of y begins at r · width, its gate at 2 · r · width.
        long gate = i + i / a.Width * a.Width;
        a.Y[i] = DeviceMath.Silu(a.GateUp[gate]) * a.GateUp[gate + a.Width];
    }

    internal struct SwiGluArguments
    {
        public ArrayView<float> GateUp;
        public ArrayView<float> Y;
        public int Width;
    }
}
