using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly GpuKernel<RoundArguments> _roundToBFloat16 = new("RoundToBFloat16", RoundToBFloat16Kernel);

    /// <inheritdoc/>
    public void RoundToBFloat16(Tensor x, Tensor y)
    {
        RoundArguments arguments = new() { X = x.View<float>(), Y = y.View<float>() };
        _roundToBFloat16.Run(_device, Groups(y.Count), 1, Threads, arguments);
    }

    /// <summary>One thread for each element.</summary>
    private static void RoundToBFloat16Kernel(RoundArguments a)
    {
        long i = (long)Grid.IdxX * Threads + Group.IdxX;
        if (i < a.Y.Length)
            a.Y[i] = Interop.IntAsFloat(DeviceMath.BFloat16Bits(a.X[i]) << 16);
    }

    internal struct RoundArguments
    {
        public ArrayView<float> X;
        public ArrayView<float> Y;
    }
}
