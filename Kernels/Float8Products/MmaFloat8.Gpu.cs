using ILGPU;
using ILGPU.Runtime;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // mma.sync of E4M3. On sm_89 a unit of its own does it; sm_90 makes half-precision products of it, with equal codes and scales.
    private const int Float8MmaCapability = 89;

    private readonly Float8MmaKernels _mmaFloat8Split = new(
        "MmaFloat8Split", MmaFloat8SplitKernel<CudaMma, CudaTiles>, MmaFloat8SplitKernel<SimulatedMma, PlainTiles>);

    private readonly Float8MmaKernels _mmaFloat8Tile = new(
        "MmaFloat8Tile", MmaFloat8TileKernel<CudaMma, CudaTiles>, MmaFloat8TileKernel<SimulatedMma, PlainTiles>);

    /// <inheritdoc/>
    public string Float8Description => Float8UnitsOf(_device.Description, _options);

    /// <summary>What the products of <see cref="IFloat8Kernels"/> would run on, in words.</summary>
    /// <param name="device">The device, which need not be open.</param>
    /// <param name="options">What was asked for; null for the defaults.</param>
    public static string Float8UnitsOf(GpuDescription device, GpuKernelOptions? options = null) =>
        HasFloat8UnitsFor(device, options?.MatrixUnits ?? MatrixUnits.Automatic) ? "products of FP8 rows and weights with FP8 instructions"
        : options?.MatrixUnits == MatrixUnits.Simulated ? "products of FP8 rows and weights with simulated FP8 instructions"
        : "products of FP8 rows and weights by their decoded values";

    private static bool HasFloat8UnitsFor(GpuDescription device, MatrixUnits units) =>
        units == MatrixUnits.Automatic && device.ComputeCapability >= Float8MmaCapability;

    private bool HasFloat8Units => HasFloat8UnitsFor(_device.Description, _options.MatrixUnits);

    /// <summary>Whether the kernels for FP8 units multiply by these weights, on them or simulated.</summary>
    private bool UsesFloat8Mma(WeightMatrix w) =>
        w.Format == DType.F8E4M3 && w.Columns > 0 && (HasFloat8Units || _options.MatrixUnits == MatrixUnits.Simulated);

    private void MmaFloat8Product(WeightView weights, RowSelection rows, EncodedRows x, Tensor y)
    {
        bool simulated = !HasFloat8Units;
        ArrayView<uint> codes = x.Codes.Units<uint>();
        MmaFloat8Arguments arguments = new()
        {
            Weights = weights,
            Rows = rows,
            X = codes,
            Inverses = x.Inverses.View<float>(),
            Y = y.View<float>(),
            Address = simulated ? 0 : weights.Words.LoadEffectiveAddressAsPtr().ToInt64(),
            XAddress = simulated ? 0 : codes.LoadEffectiveAddressAsPtr().ToInt64(),
        };
        int rowsOfMatrix = rows.Experts == 0 ? rows.Count : rows.Count / rows.Experts;
        if (rowsOfMatrix <= MostMmaSplitRows)
            _mmaFloat8Split.For(simulated).Run(
                _device, Groups(weights.Rows, Float8SplitTile), rows.Tiles(Float8SplitTile), Float8SplitThreads, arguments,
                simulated ? 0 : Float8SplitWords * sizeof(uint));
        else
            _mmaFloat8Tile.For(simulated).Run(
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

        /// <summary>Where the weights are in the memory of a CUDA device.</summary>
        public long Address;

        /// <summary>Where x is.</summary>
        public long XAddress;
    }

    /// <summary>A kernel on FP8 units and simulated.</summary>
    private sealed class Float8MmaKernels(string name, Action<MmaFloat8Arguments> units, Action<MmaFloat8Arguments> simulated)
    {
        private readonly GpuKernel<MmaFloat8Arguments> _units = new(name, units, Float8MmaCapability);
        private readonly GpuKernel<MmaFloat8Arguments> _simulated = new($"{name}/simulated", simulated);

        public IEnumerable<IGpuKernel> All => [_units, _simulated];

        public GpuKernel<MmaFloat8Arguments> For(bool isSimulated) => isSimulated ? _simulated : _units;
    }
}
