using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class TopCandidatesTests
{
    private static (int[] Ids, double[] Values)[] Run(IForwardKernels kernels, int rows, int width, int k, float[] logits)
    {
        using Tensor x = kernels.Input(new Shape(rows, width), logits), values = kernels.Output(new Shape(rows, Candidates.Room));
        using Tensor numbers = Tensor.Allocate(DType.I32, new Shape(rows, 1 + Candidates.Room), kernels.Device);
        kernels.TopCandidates(x, k, values, numbers);
        int[] all = new int[numbers.Count];
        numbers.Read<int>(all);
        double[] read = values.Read();
        return [.. Enumerable.Range(0, rows).Select(t =>
        {
            int count = all[t * (1 + Candidates.Room)];
            return count < 0
                ? ([-1], [])
                : (all.AsSpan(t * (1 + Candidates.Room) + 1, count).ToArray(), read.AsSpan(t * Candidates.Room, count).ToArray());
        })];
    }

    private static void AssertSame(string name, int rows, int width, int k, float[] logits)
    {
        var want = Run(BackEnds.Reference, rows, width, k, logits);
        var got = Run(BackEnds.Get(name), rows, width, k, logits);
        for (int t = 0; t < rows; t++)
        {
            Assert.Equal(want[t].Ids, got[t].Ids);
            Assert.Equal(want[t].Values, got[t].Values);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 3, 3000, (rows, width, random) =>
    {
        // Rounded on every other case, so that there are ties.
        bool round = random.Next(2) == 0;
        float[] x = [.. random.Random((long)rows * width, scale: 30).Select(
            value => random.Next(50) == 0 ? float.NegativeInfinity : round ? MathF.Round(value) : value)];
        AssertSame(name, rows, width, random.Next(1, Candidates.MostTopK + 1), x);
    });

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Ties_infinities_zeros_and_NaN(string name)
    {
        float inf = float.PositiveInfinity, nan = float.NaN;
        AssertSame(name, 6, 4, 2, [1, 3, 1, 1, 0f, -0f, -1, -2, -inf, -inf, -inf, 5, inf, 2, inf, inf, 1, nan, 2, 3, -inf, -inf, -inf, -inf]);
        float[] equal = new float[Candidates.Room + 1];
        AssertSame(name, 1, Candidates.Room, 3, equal[..^1]);
        Assert.Equal([-1], Run(BackEnds.Get(name), 1, equal.Length, 3, equal)[0].Ids);
        equal[^1] = nan;
        Assert.Equal([-1], Run(BackEnds.Get(name), 1, equal.Length, 3, equal)[0].Ids);
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Tokens_are_taken_out(string name)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        using Tensor row = kernels.Input(new Shape(1, 5), [1f, 2, 3, 4, 5]), taken = kernels.Input(new Shape(3), [7f, 8, 9]);
        using Tensor ids = kernels.Integers(new Shape(3), [3, -1, 0]);
        kernels.TakeOut(row, ids, taken);
        Assert.Equal([4, 8, 1], taken.Read());
        Assert.Equal([double.NegativeInfinity, 2, 3, double.NegativeInfinity, 5], row.Read());
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Taking_out_agrees_with_the_definition(string name) => BackEnds.ForAllShapes(name, 2, 2000, (more, width, random) =>
    {
        float[] logits = random.Random(width, scale: 30);
        logits[random.Next(width)] = float.NaN;
        int[] ids = [.. Enumerable.Range(0, width)];
        random.Shuffle(ids);
        // Places without a token anywhere among the others.
        int[] places = [.. ids.Select(id => random.Next(3) == 0 ? -1 : id), .. Enumerable.Repeat(-1, more)];
        double[][] want = Run(BackEnds.Reference), got = Run(BackEnds.Get(name));
        Activations.AssertSame(want[0], got[0]);
        Activations.AssertSame(want[1], got[1]);

        double[][] Run(IForwardKernels kernels)
        {
            using Tensor row = kernels.Input(new Shape(1, width), logits), tokens = kernels.Integers(new Shape(width + more), places);
            using Tensor taken = kernels.Input(new Shape(width + more), new float[width + more]);
            kernels.TakeOut(row, tokens, taken);
            return [row.Read(), taken.Read()];
        }
    });
}
