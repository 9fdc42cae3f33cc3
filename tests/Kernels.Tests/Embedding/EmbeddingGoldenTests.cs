using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class EmbeddingGoldenTests
{
    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "embedding", MemberType = typeof(BackEnds))]
    public void Y_is_exact(string backEnd, string name)
    {
        IForwardKernels kernels = BackEnds.Get(backEnd);
        GoldenCase golden = GoldenManifest.Numerics("embedding")[name];
        using WeightMatrix stored = WeightMatrix.RowMajor("w", Tensor.From(DType.F32, Shape.Of(golden["w"].Shape), golden["w"].Span<float>()));
        using WeightMatrix table = kernels.PrepareEmbedding(stored);
        using Tensor ids = kernels.Integers(Shape.Of(golden["ids"].Shape), golden["ids"].Integers());
        using Tensor y = kernels.Output(Shape.Of(golden["y"].Shape));
        kernels.Embed(ids, table, y);
        golden["y"].Check(y.Read());
    }
}
