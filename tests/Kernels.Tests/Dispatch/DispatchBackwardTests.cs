using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class DispatchBackwardTests
{
    [Fact]
    public void Differences_agree_with_the_definition()
    {
        ITrainingKernels kernels = BackEnds.Training("reference");
        Random random = new(9);
        using Tensor rows = kernels.Input(new Shape(6, 5), random.Random(30)), weights = kernels.Input(new Shape(3, 2), random.Random(6));
        using Tensor place = Activations.Integers(new Shape(6), [4, 1, 0, 5, 3, 2]), dy = kernels.Input(new Shape(3, 5), random.Random(15));
        using Tensor y = kernels.Output(new Shape(3, 5)), dRows = kernels.Output(new Shape(6, 5)), dWeights = kernels.Output(new Shape(3, 2));
        kernels.CombineBackward(rows, place, weights, dy, dRows, dWeights);
        FiniteDifferences.Check(rows, Loss, dRows);
        FiniteDifferences.Check(weights, Loss, dWeights);

        double Loss()
        {
            kernels.Combine(rows, place, weights, y);
            return FiniteDifferences.Dot(y, dy);
        }
    }
}
