using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class ProductBackwardTests
{
    [Fact]
    public void Differences_agree_with_the_product()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(10);
        using Tensor x = kernels.Input(new Shape(3, 5), random.Random(15)), dy = kernels.Input(new Shape(3, 4), random.Random(12));
        using WeightMatrix w = WeightMatrix.RowMajor("w", kernels.Input(new Shape(4, 5), random.Random(20)));
        using Tensor y = kernels.Output(new Shape(3, 4)), dx = kernels.Output(new Shape(3, 5)), dw = kernels.Zeros(new Shape(4, 5));
        kernels.MatMulBackwardInput(dy, w, dx);
        kernels.MatMulBackwardWeight(dy, x, dw);
        FiniteDifferences.Check(x, Loss, dx);
        FiniteDifferences.Check(w.Data, Loss, dw);

        double Loss()
        {
            kernels.MatMul(x, w, y);
            return FiniteDifferences.Dot(y, dy);
        }
    }

    [Fact]
    public void Differences_agree_with_the_grouped_product()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(11);
        using Tensor x = kernels.Input(new Shape(3, 5), random.Random(15)), dy = kernels.Input(new Shape(6, 4), random.Random(24));
        using Tensor offsets = Activations.Integers(new Shape(4), [0, 2, 2, 6]), order = Activations.Integers(new Shape(6), [1, 4, 0, 2, 3, 5]);
        using Tensor place = Activations.Integers(new Shape(6), [2, 0, 3, 4, 1, 5]);
        WeightMatrix[] experts = [.. Enumerable.Range(0, 3).Select(_ => WeightMatrix.RowMajor("w", kernels.Input(new Shape(4, 5), random.Random(20))))];
        using Tensor y = kernels.Output(new Shape(6, 4)), dRows = kernels.Output(new Shape(6, 5)), dx = kernels.Output(new Shape(3, 5));
        Tensor[] dw = [.. experts.Select(_ => kernels.Zeros(new Shape(4, 5)))];
        kernels.GroupedMatMulBackwardInput(dy, offsets, experts, dRows);
        kernels.GatherBackward(dRows, place, 2, dx);
        kernels.GroupedMatMulBackwardWeight(dy, x, order, 2, offsets, dw);
        FiniteDifferences.Check(x, Loss, dx);
        for (int e = 0; e < 3; e++)
            FiniteDifferences.Check(experts[e].Data, Loss, dw[e]);

        double Loss()
        {
            kernels.GroupedMatMul(x, order, 2, offsets, experts, y);
            return FiniteDifferences.Dot(y, dy);
        }
    }

    private static double[] Input(ITrainingKernels kernels, int rows, int outputs, int inputs, float[] dy, float[] weights)
    {
        using Tensor gradient = kernels.Input(new Shape(rows, outputs), dy), dx = kernels.Output(new Shape(rows, inputs));
        using WeightMatrix w = WeightMatrix.RowMajor("w", kernels.Input(new Shape(outputs, inputs), weights));
        kernels.MatMulBackwardInput(gradient, w, dx);
        return dx.Read();
    }

    private static double[] Weight(ITrainingKernels kernels, int rows, int outputs, int inputs, float[] dy, float[] x, float[] before, int[] calls)
    {
        using Tensor dw = kernels.Input(new Shape(outputs, inputs), before);
        int first = 0;
        foreach (int count in calls)
        {
            using Tensor gradient = kernels.Input(new Shape(count, outputs), dy.AsSpan(first * outputs, count * outputs));
            using Tensor input = kernels.Input(new Shape(count, inputs), x.AsSpan(first * inputs, count * inputs));
            kernels.MatMulBackwardWeight(gradient, input, dw);
            first += count;
        }
        Assert.Equal(rows, first);
        return dw.Read();
    }

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Each_element_is_one_chain(string name) => BackEnds.ForAllShapes(300, 300, (rows, inputs, random) =>
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        int outputs = random.Next(1, random.Next(4) == 0 ? 300 : 40);
        float[] dy = random.Random((long)rows * outputs), x = random.Random((long)rows * inputs);
        float[] w = random.Random((long)outputs * inputs), before = random.Random((long)outputs * inputs);
        double[] dx = Input(kernels, rows, outputs, inputs, dy, w);
        int cut = random.Next(rows + 1);
        double[] dw = Weight(kernels, rows, outputs, inputs, dy, x, before, [rows]);
        Activations.AssertSame(dw, Weight(kernels, rows, outputs, inputs, dy, x, before, [cut, rows - cut]));
        // Some elements, the last ones among them: all would take long.
        for (int i = 0; i < 60; i++)
        {
            int n = i == 0 ? outputs - 1 : random.Next(outputs), k = i == 0 ? inputs - 1 : random.Next(inputs);
            float sum = before[n * inputs + k];
            for (int t = 0; t < rows; t++)
                sum = MathF.FusedMultiplyAdd(dy[t * outputs + n], x[t * inputs + k], sum);
            Assert.Equal(sum, dw[n * inputs + k]);
            if (rows == 0)
                continue;
            int row = i == 0 ? rows - 1 : random.Next(rows);
            sum = 0;
            for (int m = 0; m < outputs; m++)
                sum = MathF.FusedMultiplyAdd(dy[row * outputs + m], w[m * inputs + k], sum);
            Assert.Equal(sum, dx[row * inputs + k]);
        }
    });

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Elements_are_chains_across_blocks_of_rows_columns_and_terms(string name)
    {
        // More than a block has in every direction, and not a multiple of anything.
        const int Rows = 521, Outputs = 531, Inputs = 547;
        ITrainingKernels kernels = BackEnds.Training(name);
        Random random = new(12);
        float[] dy = random.Random((long)Rows * Outputs), x = random.Random((long)Rows * Inputs);
        float[] w = random.Random((long)Outputs * Inputs), before = random.Random((long)Outputs * Inputs);
        double[] dx = Input(kernels, Rows, Outputs, Inputs, dy, w), dw = Weight(kernels, Rows, Outputs, Inputs, dy, x, before, [Rows]);
        using Tensor input = kernels.Input(new Shape(Rows, Inputs), x), result = kernels.Output(new Shape(Rows, Outputs));
        using WeightMatrix matrix = WeightMatrix.RowMajor("w", kernels.Input(new Shape(Outputs, Inputs), w));
        kernels.MatMul(input, matrix, result);
        double[] y = result.Read();
        for (int i = 0; i < 400; i++)
        {
            int t = i == 0 ? Rows - 1 : random.Next(Rows), n = i == 0 ? Outputs - 1 : random.Next(Outputs), k = i == 0 ? Inputs - 1 : random.Next(Inputs);
            float forward = 0, toInput = 0, toWeight = before[n * Inputs + k];
            for (int p = 0; p < Inputs; p++)
                forward = MathF.FusedMultiplyAdd(x[t * Inputs + p], w[n * Inputs + p], forward);
            for (int p = 0; p < Outputs; p++)
                toInput = MathF.FusedMultiplyAdd(dy[t * Outputs + p], w[p * Inputs + k], toInput);
            for (int p = 0; p < Rows; p++)
                toWeight = MathF.FusedMultiplyAdd(dy[p * Outputs + n], x[p * Inputs + k], toWeight);
            Assert.Equal(forward, y[t * Outputs + n]);
            Assert.Equal(toInput, dx[t * Inputs + k]);
            Assert.Equal(toWeight, dw[n * Inputs + k]);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Groups_are_the_products_of_their_experts(string name) => BackEnds.ForAllShapes(60, 90, (tokens, inputs, random) =>
    {
        const int Experts = 5, Slots = 2;
        ITrainingKernels kernels = BackEnds.Training(name);
        int outputs = random.Next(1, 60), pairs = tokens * Slots;
        // The last expert never has a row.
        int[] expert = [.. Enumerable.Range(0, pairs).Select(_ => random.Next(Experts - 1)).Order()], pair = [.. Enumerable.Range(0, pairs)];
        random.Shuffle(pair);
        int[] offset = [.. Enumerable.Range(0, Experts + 1).Select(e => expert.Count(x => x < e))];
        float[] dy = random.Random((long)pairs * outputs), x = random.Random((long)tokens * inputs);
        float[][] weights = [.. Enumerable.Range(0, Experts).Select(_ => random.Random((long)outputs * inputs))];
        WeightMatrix[] experts = [.. weights.Select(w => WeightMatrix.RowMajor("w", kernels.Input(new Shape(outputs, inputs), w)))];
        Tensor[] dw = [.. weights.Select(w => kernels.Input(new Shape(outputs, inputs), w))];
        using Tensor gradient = kernels.Input(new Shape(pairs, outputs), dy), input = kernels.Input(new Shape(tokens, inputs), x);
        using Tensor offsets = Activations.Integers(new Shape(Experts + 1), offset), order = Activations.Integers(new Shape(pairs), pair);
        using Tensor dx = kernels.Output(new Shape(pairs, inputs));
        kernels.GroupedMatMulBackwardInput(gradient, offsets, experts, dx);
        kernels.GroupedMatMulBackwardWeight(gradient, input, order, Slots, offsets, dw);
        double[] got = dx.Read();
        for (int e = 0; e < Experts; e++)
        {
            int begin = offset[e], end = offset[e + 1];
            float[] part = dy[(begin * outputs)..(end * outputs)];
            float[] rows = [.. pair[begin..end].SelectMany(p => x.AsSpan(p / Slots * inputs, inputs).ToArray())];
            Activations.AssertSame(Input(kernels, end - begin, outputs, inputs, part, weights[e]), got[(begin * inputs)..(end * inputs)]);
            Activations.AssertSame(Weight(kernels, end - begin, outputs, inputs, part, rows, weights[e], [end - begin]), dw[e].Read());
            experts[e].Dispose();
            dw[e].Dispose();
        }
    });

    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Prepared_matrices_are_refused(string name)
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        using Tensor dy = kernels.Zeros(new Shape(2, 3)), dx = kernels.Output(new Shape(2, 4));
        using WeightMatrix plain = WeightMatrix.RowMajor("w", kernels.Zeros(new Shape(3, 4))), prepared = kernels.Prepare([plain]);
        Assert.Throws<ArgumentException>(() => kernels.MatMulBackwardInput(dy, prepared, dx));
        Assert.Throws<ArgumentException>(() => kernels.MatMulBackwardInput(dx, plain, dy));
        Assert.Throws<ArgumentException>(() => kernels.MatMulBackwardWeight(dy, dx, dx));
    }
}
