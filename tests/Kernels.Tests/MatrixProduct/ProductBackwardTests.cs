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
}
