using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly GpuKernel<AdvanceArguments> _advance = new("Advance", AdvanceKernel);

    /// <inheritdoc/>
    public void Advance(Tensor counters, int count)
    {
        AdvanceArguments arguments = new() { Counters = counters.View<int>(), Count = count };
        _advance.Run(_device, Groups(counters.Count), 1, Threads, arguments);
    }

    /// <summary>One thread for each counter.</summary>
    private static void AdvanceKernel(AdvanceArguments a)
    {
        int i = Grid.IdxX * Threads + Group.IdxX;
        if (i < a.Counters.Length)
            a.Counters[i] += a.Count;
    }

    internal struct AdvanceArguments
    {
        public ArrayView<int> Counters;
        public int Count;
    }
}
