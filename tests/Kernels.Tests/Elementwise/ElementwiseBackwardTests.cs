using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class ElementwiseBackwardTests
{
    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Accumulate_adds(string name) => BackEnds.ForAllShapes(40, 700, (rows, width, random) =>
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        float[] x = random.Random((long)rows * width), sum = random.Random((long)rows * width);
        using Tensor a = kernels.Input(new Shape(rows, width), x), b = kernels.Input(new Shape(rows, width), sum);
        kernels.Accumulate(a, b);
        Activations.AssertClose([.. x.Zip(sum, (p, q) => (double)p + q)], b.Read(), Math.Pow(2, -23), 0);
    });

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Copies_go_back_to_where_they_came_from(string name) => BackEnds.ForAllShapes(9, 50, (rows, width, random) =>
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        int before = random.Next(4), after = random.Next(4), total = before + rows + after;
        using Tensor dy = kernels.Input(new Shape(rows, width), random.Random((long)rows * width)), dx = kernels.Output(new Shape(total, width));
        kernels.CopyRowsBackward(dy, before, dx);
        Activations.AssertSame([.. new double[before * width], .. dy.Read(), .. new double[after * width]], dx.Read());
        Assert.Throws<ArgumentOutOfRangeException>(() => kernels.CopyRowsBackward(dx, 1, dx));
    });

    [Theory]
    [MemberData(nameof(BackEnds.TrainingNames), MemberType = typeof(BackEnds))]
    public void Concatenation_is_undone(string name) => BackEnds.ForAllShapes(9, 50, (rows, width, random) =>
    {
        ITrainingKernels kernels = BackEnds.Training(name);
        int other = random.Next(1, 30);
        using Tensor a = kernels.Input(new Shape(rows, width), random.Random((long)rows * width));
        using Tensor b = kernels.Input(new Shape(rows, other), random.Random((long)rows * other)), both = kernels.Output(new Shape(rows, width + other));
        using Tensor da = kernels.Output(new Shape(rows, width)), db = kernels.Output(new Shape(rows, other));
        kernels.Concatenate(a, b, both);
        kernels.ConcatenateBackward(both, da, db);
        Activations.AssertSame(a.Read(), da.Read());
        Activations.AssertSame(b.Read(), db.Read());
    });
}
