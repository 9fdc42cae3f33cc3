using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class AttentionBackwardTests
{
    /// <summary>Some documents in one batch, each with a cache of its own.</summary>
    internal sealed record Pack(int Heads, int KvHeads, int Dimension, int Window, int[] Starts, int Rows, bool BFloat16 = false)
    {
        public (double[] Output, double[] Lse, double[] Dq, double[] Dk, double[] Dv) Run(
            ITrainingKernels kernels, float[] q, float[] k, float[] v, float[] dOutput)
        {
            Shape wide = new(Rows, Heads * Dimension), narrow = new(Rows, KvHeads * Dimension);
            using Tensor queries = kernels.Input(wide, q), keys = kernels.Input(narrow, k), values = kernels.Input(narrow, v);
            using Tensor gradient = kernels.Input(wide, dOutput), output = kernels.Output(wide), lse = kernels.Output(new Shape(Rows, Heads));
            using Tensor dq = kernels.Output(wide), dk = kernels.Output(narrow), dv = kernels.Output(narrow);
            AttentionParameters parameters = new(Heads, Window, 1 / MathF.Sqrt(Dimension));
            for (int d = 0; d < Starts.Length; d++)
            {
                SequenceRows rows = new(Starts[d], (d + 1 < Starts.Length ? Starts[d + 1] : Rows) - Starts[d], 0);
                using KvLayer cache = new(KvHeads, Dimension, BFloat16 ? DType.BF16 : kernels.ActivationType, rows.Count);
                AttentionCase.Fill(cache, 0, cache.Slots, double.NaN);
                kernels.AppendKeyValues(keys, values, rows, cache);
                kernels.Attention(queries, rows, cache, parameters, output, lse);
                kernels.AttentionBackward(queries, rows, cache, parameters, output, lse, gradient, dq, dk, dv);
            }
            return (output.Read(), lse.Read(), dq.Read(), dk.Read(), dv.Read());
        }
    }

    public static IEnumerable<object[]> Sequences =>
        from pair in BackEnds.TrainingWithGoldens("attention")
        where GoldenManifest.Numerics("attention")[(string)pair[1]].Has("dq")
        select pair;

    [Theory]
    [MemberData(nameof(Sequences))]
    public void Golden_gradients_agree(string backEnd, string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("attention")[name];
        int[] starts = [.. golden.Parameters.GetProperty("doc_starts").EnumerateArray().Select((JsonElement e) => e.GetInt32())];
        Pack pack = new(golden.Integer("heads"), golden.Integer("kv_heads"), golden.Integer("dim"), golden.Integer("window"), starts, golden.Integer("T"));
        (double[] output, double[] lse, double[] dq, double[] dk, double[] dv) = pack.Run(
            BackEnds.Training(backEnd), golden["q"].Singles(), golden["k"].Singles(), golden["v"].Singles(), golden["dout"].Singles());
        golden["out"].Check(output);
        golden["lse"].Check(lse);
        golden["dq"].Check(dq);
        golden["dk"].Check(dk);
        golden["dv"].Check(dv);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Differences_agree_with_the_definition(int window)
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(6);
        const int Rows = 5;
        SequenceRows rows = new(0, Rows, 0);
        AttentionParameters parameters = new(4, window, 0.5f);
        Shape wide = new(Rows, 12), narrow = new(Rows, 6);
        using KvLayer cache = new(2, 3, DType.F64, Rows);
        using Tensor q = kernels.Input(wide, random.Random(60)), k = kernels.Input(narrow, random.Random(30)), v = kernels.Input(narrow, random.Random(30));
        using Tensor output = kernels.Output(wide), lse = kernels.Output(new Shape(Rows, 4)), dOutput = kernels.Input(wide, random.Random(60));
        using Tensor dq = kernels.Output(wide), dk = kernels.Output(narrow), dv = kernels.Output(narrow);
        Loss();
        kernels.AttentionBackward(q, rows, cache, parameters, output, lse, dOutput, dq, dk, dv);
        FiniteDifferences.Check(q, Loss, dq);
        FiniteDifferences.Check(k, Loss, dk);
        FiniteDifferences.Check(v, Loss, dv);

        double Loss()
        {
            kernels.AppendKeyValues(k, v, rows, cache);
            kernels.Attention(q, rows, cache, parameters, output, lse);
            return FiniteDifferences.Dot(output, dOutput);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Only_whole_sequences_are_taken(string name)
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        using KvLayer cache = new(1, 4, kernels.ActivationType, 64);
        using Tensor x = kernels.Zeros(new Shape(80, 4)), lse = kernels.Zeros(new Shape(80, 1));
        foreach (SequenceRows rows in new SequenceRows[] { new(0, 2, 1), new(0, 65, 0) })
            Assert.Throws<ArgumentException>(() => kernels.AttentionBackward(x, rows, cache, new(1, 0, 1), x, lse, x, x, x, x));
    }

    private static Pack RandomPack(Random random, int rows, int dimension)
    {
        int kvHeads = random.Next(1, 4), window = random.Next(3) switch { 0 => 0, 1 => random.Next(1, 20), _ => random.Next(1, 2 * rows + 2) };
        int[] starts = [0, .. Enumerable.Range(1, rows - 1).Where(_ => random.Next(40) == 0)];
        return new(kvHeads * random.Next(1, 6), kvHeads, dimension, window, starts, rows, random.Next(2) == 0);
    }

    [Fact]
    public void Agrees_with_the_definition_with_equal_bits_on_every_back_end() => BackEnds.ForAllShapes(150, 70, (rows, dimension, random) =>
    {
        if (rows == 0)
            return;
        Pack pack = RandomPack(random, rows, dimension);
        int wide = rows * pack.Heads * dimension, narrow = rows * pack.KvHeads * dimension;
        float[] q = random.Random(wide), k = random.Random(narrow), v = random.Random(narrow), dOutput = random.Random(wide);
        (double[] Output, double[] Lse, double[] Dq, double[] Dk, double[] Dv) want = pack.Run(BackEnds.Training("reference"), q, k, v, dOutput);
        (double[] Output, double[] Lse, double[] Dq, double[] Dk, double[] Dv)? first = null;
        foreach (string name in BackEnds.Simd.Keys)
        {
            (double[] Output, double[] Lse, double[] Dq, double[] Dk, double[] Dv) got = pack.Run(BackEnds.Training(name), q, k, v, dOutput);
            first ??= got;
            Activations.AssertClose(want.Dq, got.Dq, 0, 1e-5 * Math.Max(1, want.Dq.Max(Math.Abs)));
            Activations.AssertClose(want.Dk, got.Dk, 0, 1e-5 * Math.Max(1, want.Dk.Max(Math.Abs)));
            Activations.AssertClose(want.Dv, got.Dv, 0, 1e-5 * Math.Max(1, want.Dv.Max(Math.Abs)));
            Activations.AssertSame(first.Value.Dq, got.Dq);
            Activations.AssertSame(first.Value.Dk, got.Dk);
            Activations.AssertSame(first.Value.Dv, got.Dv);
        }
    });

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void A_document_does_not_depend_on_what_it_is_packed_with(string name)
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        Random random = new(12);
        const int Before = 37, Rows = 90, After = 5;
        Pack packed = new(4, 2, 20, 30, [0, Before, Before + Rows], Before + Rows + After), alone = packed with { Starts = [0], Rows = Rows };
        float[] q = random.Random(packed.Rows * 80), k = random.Random(packed.Rows * 40), v = random.Random(packed.Rows * 40), dOutput = random.Random(packed.Rows * 80);
        (double[] Output, double[] Lse, double[] Dq, double[] Dk, double[] Dv) all = packed.Run(kernels, q, k, v, dOutput);
        (double[] Output, double[] Lse, double[] Dq, double[] Dk, double[] Dv) one = alone.Run(kernels, Part(q, 80), Part(k, 40), Part(v, 40), Part(dOutput, 80));
        Activations.AssertSame(one.Output, Part(all.Output, 80));
        Activations.AssertSame(one.Lse, Part(all.Lse, 4));
        Activations.AssertSame(one.Dq, Part(all.Dq, 80));
        Activations.AssertSame(one.Dk, Part(all.Dk, 40));
        Activations.AssertSame(one.Dv, Part(all.Dv, 40));

        static T[] Part<T>(T[] values, int columns) => values[(Before * columns)..((Before + Rows) * columns)];
    }
}
