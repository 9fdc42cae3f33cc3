using System.Runtime.Intrinsics.X86;
using FsCheck;
using FsCheck.Fluent;
using Mellum2.Managed.Engine;
using Xunit;

// The kernels use all cores themselves, and a worker pool serves one call at a time.
[assembly: CollectionBehavior(DisableTestParallelization = true)]

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>The back ends that this machine has, for theories over all of them.</summary>
public static class BackEnds
{
    private static readonly WorkerPool s_one = new(1), s_two = new(2);

    /// <summary>The definition: what the others are compared with.</summary>
    internal static IForwardKernels Reference { get; } = new ReferenceKernels();

    /// <summary>Every vector width with one and with two threads. All give equal bits.</summary>
    internal static Dictionary<string, IForwardKernels> Simd { get; } = CreateSimd();

    /// <summary>The names of the SIMD back ends.</summary>
    public static IEnumerable<object[]> SimdNames => Simd.Keys.Select(name => new object[] { name });

    /// <summary>The names of all back ends.</summary>
    public static IEnumerable<object[]> Names => SimdNames.Prepend(["reference"]);

    /// <summary>All back ends with every case of a golden topic.</summary>
    public static IEnumerable<object[]> WithGoldens(string topic) =>
        from name in Names
        from golden in Managed.Tests.GoldenManifest.NumericCases(topic)
        select new[] { name[0], golden[0] };

    /// <summary>The back ends that multiply by matrices, with every case of a golden topic.</summary>
    public static IEnumerable<object[]> ProductsWithGoldens(string topic) =>
        WithGoldens(topic).Where(pair => !Get((string)pair[0]).GetType().Name.StartsWith("SimdForward", StringComparison.Ordinal));

    internal static IForwardKernels Get(string name) => name == "reference" ? Reference : Simd[name];

    /// <summary>Runs a test for many shapes; a failure is shrunk to a small one.</summary>
    internal static void ForAllShapes(int maxRows, int maxColumns, Action<int, int, Random> test)
    {
        var shapes = Gen.Choose(0, maxRows).SelectMany(rows => Gen.Choose(1, maxColumns).SelectMany(
            columns => Gen.Choose(0, int.MaxValue).Select(seed => (Rows: rows, Columns: columns, Seed: seed))));
        static IEnumerable<(int Rows, int Columns, int Seed)> Smaller((int Rows, int Columns, int Seed) shape)
        {
            if (shape.Rows > 1)
                yield return (shape.Rows / 2, shape.Columns, shape.Seed);
            if (shape.Columns > 1)
                yield return (shape.Rows, shape.Columns / 2, shape.Seed);
            if (shape.Columns > 1)
                yield return (shape.Rows, shape.Columns - 1, shape.Seed);
        }
        Prop.ForAll(Arb.From(shapes, Smaller), shape => test(shape.Rows, shape.Columns, new Random(shape.Seed)))
            .Check(Config.QuickThrowOnFailure.WithMaxTest(25).WithQuietOnSuccess(true));
    }

    private static Dictionary<string, IForwardKernels> CreateSimd()
    {
        Dictionary<string, IForwardKernels> all = [];
        foreach (WorkerPool pool in new[] { s_one, s_two })
        {
            if (Avx512F.IsSupported)
                all.Add($"512 x {pool.Count}", Create<Lanes512>(pool));
            all.Add($"256 x {pool.Count}", Create<Lanes256>(pool));
            all.Add($"128 x {pool.Count}", Create<Lanes128>(pool));
            all.Add($"scalar x {pool.Count}", Create<LanesScalar>(pool));
        }
        return all;
    }

    private static IForwardKernels Create<TLanes>(WorkerPool pool) where TLanes : struct, ILanes<TLanes> =>
        (object)new SimdKernels<TLanes>(pool) as IForwardKernels ?? new SimdForward<TLanes>(pool);

    /// <summary>The SIMD kernels with the reference's products, for the tests of what is no product.</summary>
    private sealed class SimdForward<TLanes>(WorkerPool pool) : IForwardKernels where TLanes : struct, ILanes<TLanes>
    {
        private readonly SimdKernels<TLanes> _kernels = new(pool);

        public DType ActivationType => _kernels.ActivationType;
        public string Description => _kernels.Description;
        public WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts) => throw new NotSupportedException();
        public void MatMul(Tensor x, WeightMatrix w, Tensor y) => throw new NotSupportedException();
        public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y) => throw new NotSupportedException();
        public WeightMatrix PrepareEmbedding(WeightMatrix table) => throw new NotSupportedException();
        public void Embed(Tensor ids, WeightMatrix table, Tensor y) => throw new NotSupportedException();
        public void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y) => _kernels.RmsNorm(x, weight, epsilon, y);
        public void RopeTable(Tensor positions, RopeParameters parameters, Tensor table) => _kernels.RopeTable(positions, parameters, table);
        public void Rope(Tensor x, Tensor table, Tensor y) => _kernels.Rope(x, table, y);
        public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache) => _kernels.AppendKeyValues(k, v, rows, cache);
        public void Attention(Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null) =>
            _kernels.Attention(q, rows, cache, parameters, output, logSumExp);
        public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights) =>
            _kernels.Route(logits, k, renormalize, probabilities, experts, weights);
        public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place) => _kernels.Dispatch(experts, offsets, order, place);
        public void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y) => _kernels.Combine(rows, place, weights, y);
        public void SwiGlu(Tensor gateUp, Tensor y) => _kernels.SwiGlu(gateUp, y);
        public void Add(Tensor a, Tensor b, Tensor y) => _kernels.Add(a, b, y);
        public void CopyRows(Tensor x, int firstRow, Tensor y) => _kernels.CopyRows(x, firstRow, y);
        public void Concatenate(Tensor a, Tensor b, Tensor y) => _kernels.Concatenate(a, b, y);
        public void LogSumExp(Tensor logits, Tensor lse) => _kernels.LogSumExp(logits, lse);
    }
}
