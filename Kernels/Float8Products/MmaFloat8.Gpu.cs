using ILGPU;
using ILGPU.Runtime;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // mma.sync of E4M3. On sm_89 a unit of its own does it; sm_90 makes half-precision products of it, with equal codes and scales.
    private const int Float8MmaCapability = 89;

    private readonly Float8MmaKernels _mmaFloat8Split = new(
        "MmaFloat8Split", MmaFloat8SplitKernel<CudaMma, CudaTiles>, MmaFloat8SplitKernel<WidenedMma<CudaMma>, CudaTiles>,
        MmaFloat8SplitKernel<SimulatedMma, PlainTiles>);

    private readonly Float8MmaKernels _mmaFloat8Tile = new(
        "MmaFloat8Tile", MmaFloat8TileKernel<CudaMma, CudaTiles>, MmaFloat8TileKernel<WidenedMma<CudaMma>, CudaTiles>,
        MmaFloat8TileKernel<SimulatedMma, PlainTiles>);

    /// <inheritdoc/>
    public string Float8Description => Float8UnitsOf(_device.Description, _options);

    /// <summary>What the products of <see cref="IFloat8Kernels"/> would run on, in words.</summary>
    /// <param name="device">The device, which need not be open.</param>
    /// <param name="options">What was asked for; null for the defaults.</param>
    public static string Float8UnitsOf(GpuDescription device, GpuKernelOptions? options = null) =>
        "products of FP8 rows and weights " + (
            options?.MatrixUnits == MatrixUnits.Simulated ? "with simulated FP8 instructions"
            : !HasTensorCoresFor(device, options?.MatrixUnits ?? MatrixUnits.Automatic) ? "by their decoded values"
            : device.ComputeCapability >= Float8MmaCapability ? "with FP8 instructions"
            : "with BF16 instructions");

    /// <summary>Whether the kernels for codes multiply by these weights, on tensor cores or simulated.</summary>
    private bool UsesFloat8Mma(WeightMatrix w) => w.Format == DType.F8E4M3 && w.Columns > 0 && UsesMma(w.Format);

    private void MmaFloat8Product(WeightView weights, RowSelection rows, EncodedRows x, Tensor y)
    {
        bool simulated = !HasTensorCores;
        ArrayView<uint> codes = x.Codes.Units<uint>();
        MmaFloat8Arguments arguments = new()
        {
            Weights = weights,
            Rows = rows,
            X = codes,
            Inverses = x.Inverses.View<float>(),
            Y = y.View<float>(),
            XAddress = codes.LoadEffectiveAddressAsPtr().ToInt64(),
        };
        int rowsOfMatrix = rows.Experts == 0 ? rows.Count : rows.Count / rows.Experts;
        if (rowsOfMatrix <= MostMmaSplitRows)
            _mmaFloat8Split.For(_device.Description, simulated).Run(
                _device, Groups(weights.Rows, Float8SplitTile), rows.Tiles(Float8SplitTile), Float8SplitThreads, arguments,
                simulated ? 0 : Float8SplitWords * sizeof(uint));
        else
            _mmaFloat8Tile.For(_device.Description, simulated).Run(
                _device, Groups(weights.Rows, Float8TileOutputs), rows.Tiles(Float8TileRows), Float8TileThreads, arguments,
                simulated ? 0 : 2 * Float8Buffer * sizeof(uint));
    }

    internal struct MmaFloat8Arguments
    {
        public WeightView Weights;
        public RowSelection Rows;

        /// <summary>The codes of x, rows as long as those of the weights.</summary>
        public ArrayView<uint> X;

        /// <summary>What the products of each row of x are multiplied by.</summary>
        public ArrayView<float> Inverses;

        public ArrayView<float> Y;

        /// <summary>Where x is in the memory of a CUDA device.</summary>
        public long XAddress;
    }

    /// <summary>A kernel with FP8 instructions, with those of BF16, and simulated.</summary>
    private sealed class Float8MmaKernels(
        string name, Action<MmaFloat8Arguments> f8, Action<MmaFloat8Arguments> widened, Action<MmaFloat8Arguments> simulated)
    {
        private readonly GpuKernel<MmaFloat8Arguments> _f8 = new(name, f8, Float8MmaCapability);
        private readonly GpuKernel<MmaFloat8Arguments> _widened = new($"{name}/widened", widened, MmaCapability);
        private readonly GpuKernel<MmaFloat8Arguments> _simulated = new($"{name}/simulated", simulated);

        public IEnumerable<IGpuKernel> All => [_f8, _widened, _simulated];

        public GpuKernel<MmaFloat8Arguments> For(GpuDescription device, bool isSimulated) =>
            isSimulated ? _simulated : device.ComputeCapability >= Float8MmaCapability ? _f8 : _widened;
    }
}
