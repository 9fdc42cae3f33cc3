using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class HeadCrossEntropyTests
{
    [Fact]
    public void Differences_agree_with_the_definition()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(5);
        CrossEntropyParameters parameters = new(0.5f, 0.25f);
        using Tensor x = kernels.Input(new Shape(4, 6), random.Random(24)), targets = Activations.Integers(new Shape(4), [3, -100, 8, 0]);
        using WeightMatrix head = WeightMatrix.RowMajor("head", kernels.Input(new Shape(9, 6), random.Random(54)));
        using Tensor losses = kernels.Output(new Shape(2)), rowLosses = kernels.Output(new Shape(4)), lse = kernels.Output(new Shape(4));
        using Tensor dx = kernels.Output(new Shape(4, 6)), dHead = kernels.Zeros(new Shape(9, 6));
        kernels.HeadCrossEntropy(x, head, targets, parameters, losses, rowLosses, lse, dx, dHead);
        FiniteDifferences.Check(x, Loss, dx);
        FiniteDifferences.Check(head.Data, Loss, dHead);

        double Loss()
        {
            kernels.HeadCrossEntropy(x, head, targets, parameters, losses, rowLosses, lse, null, null);
            return losses.Read().Sum();
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Is_the_head_and_its_loss_bit_for_bit(string name) => BackEnds.ForAllShapes(300, 40, (rows, hidden, random) =>
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        int vocabulary = random.Next(1, 90);
        Shape wide = new(rows, vocabulary), narrow = new(rows, hidden), matrix = new(vocabulary, hidden);
        CrossEntropyParameters parameters = new(0.5f, 0.25f);
        float[] before = random.Random((long)vocabulary * hidden);
        int[] tokens = [.. Enumerable.Range(0, rows).Select(_ => random.Next(4) == 0 ? CrossEntropyParameters.Ignored : random.Next(vocabulary))];
        using Tensor x = kernels.Input(narrow, random.Random((long)rows * hidden)), targets = Activations.Integers(new Shape(rows), tokens);
        using WeightMatrix head = WeightMatrix.RowMajor("head", kernels.Input(matrix, random.Random((long)vocabulary * hidden)));
        using Tensor losses = kernels.Output(new Shape(2)), rowLosses = kernels.Output(new Shape(rows)), lse = kernels.Output(new Shape(rows));
        using Tensor logits = kernels.Output(wide), dx = kernels.Output(narrow), dHead = kernels.Input(matrix, before);
        kernels.MatMul(x, head, logits);
        kernels.CrossEntropy(logits, targets, parameters, losses, rowLosses, lse, logits);
        kernels.MatMulBackwardInput(logits, head, dx);
        kernels.MatMulBackwardWeight(logits, x, dHead);

        using Tensor losses2 = kernels.Output(new Shape(2)), rowLosses2 = kernels.Output(new Shape(rows)), lse2 = kernels.Output(new Shape(rows));
        using Tensor dx2 = kernels.Output(narrow), dHead2 = kernels.Input(matrix, before);
        kernels.HeadCrossEntropy(x, head, targets, parameters, losses2, rowLosses2, lse2, dx2, dHead2);
        Activations.AssertSame(losses.Read(), losses2.Read());
        Activations.AssertSame(rowLosses.Read(), rowLosses2.Read());
        Activations.AssertSame(lse.Read(), lse2.Read());
        Activations.AssertSame(dx.Read(), dx2.Read());
        Activations.AssertSame(dHead.Read(), dHead2.Read());
    });

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Counts_rows_whose_target_is_the_arg_max(string name) => BackEnds.ForAllShapes(9, 80, (rows, vocabulary, random) =>
    {
        // Small whole numbers: products are exact and equal logits are common.
        ITrainingKernels kernels = BackEnds.Training(name);
        const int Hidden = 3;
        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)random.Next(-1, 2))];
        float[] states = Draw(rows * Hidden), matrix = Draw(vocabulary * Hidden);
        int[] best = [.. Enumerable.Range(0, rows).Select(t => Enumerable.Range(0, vocabulary).MaxBy(
            v => Enumerable.Range(0, Hidden).Sum(i => states[t * Hidden + i] * matrix[v * Hidden + i])))];
        int[] tokens = [.. best.Select(token => random.Next(3) switch { 0 => CrossEntropyParameters.Ignored, 1 => random.Next(vocabulary), _ => token })];
        using Tensor x = kernels.Input(new Shape(rows, Hidden), states), targets = Activations.Integers(new Shape(rows), tokens);
        using WeightMatrix head = WeightMatrix.RowMajor("head", kernels.Input(new Shape(vocabulary, Hidden), matrix));
        using Tensor losses = kernels.Output(new Shape(2)), rowLosses = kernels.Output(new Shape(rows)), lse = kernels.Output(new Shape(rows));
        using Tensor correct = Activations.Integers(new Shape(rows), [.. Enumerable.Repeat(-1, rows)]);
        kernels.HeadCrossEntropy(x, head, targets, new CrossEntropyParameters(1, 0), losses, rowLosses, lse, null, null, correct);
        Assert.Equal(tokens.Select((token, t) => token == best[t] ? 1 : 0), correct.Span<int>().ToArray());
    });
}
