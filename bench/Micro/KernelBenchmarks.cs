using BenchmarkDotNet.Attributes;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

/// <summary>The operations around the products, at the released model's widths, on every vector width.</summary>
[MemoryDiagnoser]
public class KernelBenchmarks : IDisposable
{
    private const int Hidden = 2304, Heads = 32, HeadSize = 128, Experts = 64, Slots = 8, ExpertSize = 896, Vocabulary = 98304;
    private WorkerPool _pool = null!;
    private IForwardKernels _kernels = null!;
    private Tensor _x = null!, _y = null!, _norm = null!, _q = null!, _rotated = null!, _table = null!, _positions = null!;
    private Tensor _routerLogits = null!, _probabilities = null!, _experts = null!, _weights = null!, _gateUp = null!, _inner = null!;
    private Tensor _logits = null!, _lse = null!;
    private RopeParameters _rope = null!;

    /// <summary>Rows of a call.</summary>
    [Params(1, 64)]
    public int Rows { get; set; }

    /// <summary>The width of vectors.</summary>
    [Params(VectorWidth.V512, VectorWidth.V256, VectorWidth.V128)]
    public VectorWidth Width { get; set; }

    /// <summary>Makes operands.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _pool = new WorkerPool();
        _kernels = SimdKernels.Create(_pool, Width);
        _x = BenchData.Activations(Rows, Hidden);
        _y = Tensor.Allocate(DType.F32, _x.Shape);
        _norm = BenchData.Activations(1, Hidden);
        _norm.Reinterpret(DType.F32, new Shape(Hidden));
        _q = BenchData.Activations(Rows, Heads * HeadSize);
        _rotated = Tensor.Allocate(DType.F32, _q.Shape);
        _rope = RopeParameters.Plain(HeadSize, 500000);
        _positions = Tensor.Allocate(DType.I32, new Shape(Rows));
        _table = Tensor.Allocate(DType.F32, new Shape(Rows, HeadSize));
        _kernels.RopeTable(_positions, _rope, _table);
        _routerLogits = BenchData.Activations(Rows, Experts);
        _probabilities = Tensor.Allocate(DType.F32, _routerLogits.Shape);
        _experts = Tensor.Allocate(DType.I32, new Shape(Rows, Slots));
        _weights = Tensor.Allocate(DType.F32, new Shape(Rows, Slots));
        _gateUp = BenchData.Activations(Rows * Slots, 2 * ExpertSize);
        _inner = Tensor.Allocate(DType.F32, new Shape(Rows * Slots, ExpertSize));
        _logits = BenchData.Activations(1, Vocabulary);
        _lse = Tensor.Allocate(DType.F32, new Shape(1));
    }

    /// <summary>The norm of a layer.</summary>
    [Benchmark]
    public void RmsNorm() => _kernels.RmsNorm(_x, _norm, 1e-6f, _y);

    /// <summary>The rotation of all query heads.</summary>
    [Benchmark]
    public void Rope() => _kernels.Rope(_q, _table, _rotated);

    /// <summary>The choice of experts.</summary>
    [Benchmark]
    public void Route() => _kernels.Route(_routerLogits, Slots, true, _probabilities, _experts, _weights);

    /// <summary>The gates of all chosen experts.</summary>
    [Benchmark]
    public void SwiGlu() => _kernels.SwiGlu(_gateUp, _inner);

    /// <summary>The log-sum-exp of one row of logits.</summary>
    [Benchmark]
    public void LogSumExp() => _kernels.LogSumExp(_logits, _lse);

    /// <summary>Ends the workers.</summary>
    [GlobalCleanup]
    public void Dispose()
    {
        _pool.Dispose();
        GC.SuppressFinalize(this);
    }
}
