using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class LogSumExpGoldenTests
{
    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "cross_entropy", MemberType = typeof(BackEnds))]
    public void Lse_agrees(string backEnd, string name)
    {
        IForwardKernels kernels = BackEnds.Get(backEnd);
        GoldenCase golden = GoldenManifest.Numerics("cross_entropy")[name];
        using Tensor logits = kernels.Input(Shape.Of(golden["logits"].Shape), golden["logits"].Singles());
        using Tensor lse = kernels.Output(Shape.Of(golden["lse"].Shape));
        kernels.LogSumExp(logits, lse);
        golden["lse"].Check(lse.Read());
    }
}
