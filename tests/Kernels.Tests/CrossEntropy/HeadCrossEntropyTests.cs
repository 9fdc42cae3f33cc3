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
}
