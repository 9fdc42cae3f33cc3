using ILGPU;
using ILGPU.Runtime;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // Up to this many rows of a matrix, sixteen at a time and more parts of the weights at once are faster.
    private const int MostMmaSplitRows = 16;

    // mma.sync with bfloat16, ldmatrix and cp.async.
    private const int MmaCapability = 80;

    private bool HasTensorCores => HasTensorCoresFor(_device.Description, _options.MatrixUnits);

    /// <summary>Whether products run on tensor cores there.</summary>
    internal static bool HasTensorCoresFor(GpuDescription device, MatrixUnits units) =>
        units == MatrixUnits.Automatic && device.ComputeCapability >= MmaCapability;

    /// <summary>Whether the kernels for tensor cores multiply by weights of this format, on them or simulated.</summary>
    private bool UsesMma(DType format) =>
        format is DType.BF16 or DType.F8E4M3 && (HasTensorCores || _options.MatrixUnits == MatrixUnits.Simulated);

    private static bool IsMmaSplit(RowSelection rows) => (rows.Experts == 0 ? rows.Count : rows.Count / rows.Experts) <= MostMmaSplitRows;

    // Dynamic shared memory; the simulated kernels have theirs from the compiler.
    private static int MmaSplitBytes(DType format, bool simulated)
    {
        int stride = format == DType.F8E4M3 ? Float8MmaWeights<SimulatedMma>.BlockStride : BFloat16MmaWeights.BlockStride;
        return simulated ? 0 : MmaSplitWarps * MmaSplitTile * (2 * stride + MmaSplitTile) * sizeof(uint);
    }

    private static int MmaTileBytes(DType format, bool simulated)
    {
        int stride = format == DType.F8E4M3 ? Float8MmaWeights<SimulatedMma>.StepStride : BFloat16MmaWeights.StepStride;
        return simulated ? 0 : (2 * (2 * MmaActivations + MmaTile * stride) + MmaTile) * sizeof(uint);
    }

    /// <summary>A kernel for each format of weights, on tensor cores and simulated.</summary>
    private sealed class MmaKernels<T>(string name, Action<T> bf16, Action<T> f8, Action<T> simulatedBf16, Action<T> simulatedF8) where T : struct
    {
        private readonly GpuKernel<T> _bf16 = new($"{name}/BF16", bf16, MmaCapability);
        private readonly GpuKernel<T> _f8 = new($"{name}/F8_E4M3", f8, MmaCapability);
        private readonly GpuKernel<T> _simulatedBf16 = new($"{name}/BF16/simulated", simulatedBf16);
        private readonly GpuKernel<T> _simulatedF8 = new($"{name}/F8_E4M3/simulated", simulatedF8);

        public IEnumerable<IGpuKernel> All => [_bf16, _f8, _simulatedBf16, _simulatedF8];

        public GpuKernel<T> For(DType format, bool simulated) => format == DType.BF16
            ? simulated ? _simulatedBf16 : _bf16
            : simulated ? _simulatedF8 : _f8;
    }
}
