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

    /// <summary>Sets of back ends that give equal bits: here all widths and numbers of threads are one.</summary>
    public static IEnumerable<object[]> EqualBits => [["SIMD"]];

    /// <summary>All back ends with every case of a golden topic.</summary>
    public static IEnumerable<object[]> WithGoldens(string topic) =>
        from name in Names
        from golden in Managed.Tests.GoldenManifest.NumericCases(topic)
        select new[] { name[0], golden[0] };

    /// <summary>The names of the back ends that train.</summary>
    public static IEnumerable<object[]> TrainingNames => Names.Where(name => Get((string)name[0]) is ITrainingKernels);

    /// <summary>The back ends that train with every case of a golden topic.</summary>
    public static IEnumerable<object[]> TrainingWithGoldens(string topic) =>
        from pair in WithGoldens(topic)
        where Get((string)pair[0]) is ITrainingKernels
        select pair;

    /// <summary>The back ends of a set of <see cref="EqualBits"/>.</summary>
    internal static IReadOnlyCollection<IForwardKernels> SetOf(string name) => Simd.Values;

    /// <summary>A size: <paramref name="most"/>, or <paramref name="emulated"/> on a back end that is emulated; here none is.</summary>
    internal static int Limit(string name, int most, int emulated) => most;

    internal static ITrainingKernels Training(string name) => (ITrainingKernels)Get(name);

    internal static IForwardKernels Get(string name) => name == "reference" ? Reference : Simd[name];

    /// <summary>
    /// Runs a test of a back end, or of a set of <see cref="EqualBits"/>, for no rows, for one number, and for many shapes.
    /// </summary>
    internal static void ForAllShapes(string name, int maxRows, int maxColumns, Action<int, int, Random> test)
    {
        test(0, maxColumns, new Random(1));
        test(1, 1, new Random(2));
        ForAllShapes(maxRows, maxColumns, test);
    }

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
                all.Add($"512 x {pool.Count}", new SimdKernels<Lanes512>(pool));
            all.Add($"256 x {pool.Count}", new SimdKernels<Lanes256>(pool));
            all.Add($"128 x {pool.Count}", new SimdKernels<Lanes128>(pool));
            all.Add($"scalar x {pool.Count}", new SimdKernels<LanesScalar>(pool));
        }
        return all;
    }
}
