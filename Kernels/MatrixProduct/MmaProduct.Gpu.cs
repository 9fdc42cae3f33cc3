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

    private readonly MmaKernels _mmaSplit = new(
        "MmaSplit",
        MmaSplitKernel<CudaMma, CudaTiles, BFloat16MmaWeights>, MmaSplitKernel<CudaMma, CudaTiles, Float8MmaWeights<CudaMma>>,
        MmaSplitKernel<SimulatedMma, PlainTiles, BFloat16MmaWeights>, MmaSplitKernel<SimulatedMma, PlainTiles, Float8MmaWeights<SimulatedMma>>);

    private readonly MmaKernels _mmaTile = new(
        "MmaTile",
        MmaTileKernel<CudaMma, CudaTiles, BFloat16MmaWeights>, MmaTileKernel<CudaMma, CudaTiles, Float8MmaWeights<CudaMma>>,
        MmaTileKernel<SimulatedMma, PlainTiles, BFloat16MmaWeights>, MmaTileKernel<SimulatedMma, PlainTiles, Float8MmaWeights<SimulatedMma>>);

    private bool HasTensorCores => HasTensorCoresFor(_device.Description, _options.MatrixUnits);

    /// <summary>Whether products run on tensor cores there.</summary>
    internal static bool HasTensorCoresFor(GpuDescription device, MatrixUnits units) =>
        units == MatrixUnits.Automatic && device.ComputeCapability >= MmaCapability;

    /// <summary>Whether the kernels for tensor cores multiply by weights of this format, on them or simulated.</summary>
    private bool UsesMma(DType format) =>
        format is DType.BF16 or DType.F8E4M3 && (HasTensorCores || _options.MatrixUnits == MatrixUnits.Simulated);

    private void MmaProduct(WeightView weights, DType format, RowSelection rows, Tensor x, Tensor y)
    {
        bool simulated = !HasTensorCores, isFloat8 = format == DType.F8E4M3;
        MmaArguments arguments = new()
        {
            Weights = weights,
            Rows = rows,
            X = x.View<float>(),
            Y = y.View<float>(),
            Address = simulated ? 0 : weights.Words.LoadEffectiveAddressAsPtr().ToInt64(),
        };
        int rowsOfMatrix = rows.Experts == 0 ? rows.Count : rows.Count / rows.Experts;
        if (rowsOfMatrix <= MostMmaSplitRows)
        {
            int stride = isFloat8 ? Float8MmaWeights<SimulatedMma>.BlockStride : BFloat16MmaWeights.BlockStride;
            int words = MmaSplitWarps * MmaSplitTile * (2 * stride + MmaSplitTile);
            _mmaSplit.For(format, simulated).Run(
                _device, Groups(weights.Rows, MmaSplitTile), rows.Tiles(MmaSplitTile), MmaSplitThreads, arguments, simulated ? 0 : words * sizeof(uint));
        }
        else
        {
            int stride = isFloat8 ? Float8MmaWeights<SimulatedMma>.StepStride : BFloat16MmaWeights.StepStride;
            int words = 2 * (2 * MmaActivations + MmaTile * stride) + MmaTile;
            _mmaTile.For(format, simulated).Run(
                _device, Groups(weights.Rows, MmaTile), rows.Tiles(MmaTile), MmaTileThreads, arguments, simulated ? 0 : words * sizeof(uint));
        }
    }

    /// <summary>A kernel for each format of weights, on tensor cores and simulated.</summary>
    private sealed class MmaKernels(
        string name, Action<MmaArguments> bf16, Action<MmaArguments> f8, Action<MmaArguments> simulatedBf16, Action<MmaArguments> simulatedF8)
    {
        private readonly GpuKernel<MmaArguments> _bf16 = new($"{name}/BF16", bf16, MmaCapability);
        private readonly GpuKernel<MmaArguments> _f8 = new($"{name}/F8_E4M3", f8, MmaCapability);
        private readonly GpuKernel<MmaArguments> _simulatedBf16 = new($"{name}/BF16/simulated", simulatedBf16);
        private readonly GpuKernel<MmaArguments> _simulatedF8 = new($"{name}/F8_E4M3/simulated", simulatedF8);

        public IEnumerable<IGpuKernel> All => [_bf16, _f8, _simulatedBf16, _simulatedF8];

        public GpuKernel<MmaArguments> For(DType format, bool simulated) => format == DType.BF16
            ? simulated ? _simulatedBf16 : _bf16
            : simulated ? _simulatedF8 : _f8;
    }
}
