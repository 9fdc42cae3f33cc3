using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RmsNormGoldenTests
{
    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "norms", MemberType = typeof(BackEnds))]
    public void Y_agrees(string backEnd, string name)
    {
        IForwardKernels kernels = BackEnds.Get(backEnd);
        GoldenCase golden = GoldenManifest.Numerics("norms")[name];
        using Tensor x = kernels.Input(Shape.Of(golden["x"].Shape), golden["x"].Singles());
        using Tensor w = kernels.Singles(Shape.Of(golden["w"].Shape), golden["w"].Singles());
        using Tensor y = kernels.Output(x.Shape);
        kernels.RmsNorm(x, w, (float)golden.Number("eps"), y);
        golden["y"].Check(y.Read());
    }
}
