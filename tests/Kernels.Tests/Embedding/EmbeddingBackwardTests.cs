using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class EmbeddingBackwardTests
{
    private static double[] Run(ITrainingKernels kernels, int[] ids, float[] dy, int vocabulary, float[] before)
    {
        int width = before.Length / vocabulary;
        using Tensor tokens = Activations.Integers(new Shape(ids.Length), ids), gradient = kernels.Input(new Shape(ids.Length, width), dy);
        using Tensor dTable = kernels.Input(new Shape(vocabulary, width), before);
        kernels.EmbedBackward(tokens, gradient, dTable);
        return dTable.Read();
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingWithGoldens), "embedding", MemberType = typeof(BackEnds))]
    public void Golden_dw_agrees(string backEnd, string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("embedding")[name];
        golden["dw"].Check(Run(
            BackEnds.Training(backEnd), golden["ids"].Integers(), golden["dy"].Singles(), golden["w"].Shape[0], new float[golden["w"].Span<float>().Length]));
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Adds_in_the_order_of_the_tokens(string name)
    {
        // 2²⁵ + 1 rounds to 2²⁵ in float32: only this order keeps the one.
        float big = 1 << 25;
        double[] got = Run(BackEnds.Training(name), [1, 1, 1], [big, -big, 1], 2, [7, 0]);
        Assert.Equal([7, 1], got);
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void An_id_outside_of_the_table_adds_nothing(string name)
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        foreach (int bad in new[] { -1, 2 })
        {
            using Tensor ids = Activations.Integers(new Shape(2), [0, bad]), dy = kernels.Input(new Shape(2, 1), [1, 1]);
            using Tensor dTable = kernels.Zeros(new Shape(2, 1));
            Assert.Throws<ArgumentOutOfRangeException>(() => kernels.EmbedBackward(ids, dy, dTable));
            Assert.Equal([0, 0], dTable.Read());
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Is_the_sum_token_by_token(string name) => BackEnds.ForAllShapes(40, 600, (tokens, width, random) =>
    {
        int vocabulary = random.Next(1, 9);
        int[] ids = [.. Enumerable.Range(0, tokens).Select(_ => random.Next(vocabulary))];
        float[] dy = random.Random((long)tokens * width), before = random.Random((long)vocabulary * width), want = [.. before];
        for (int t = 0; t < tokens; t++)
            for (int i = 0; i < width; i++)
                want[ids[t] * width + i] += dy[t * width + i];
        Activations.AssertSame([.. want.Select(x => (double)x)], Run(BackEnds.Training(name), ids, dy, vocabulary, before));
    });
}
