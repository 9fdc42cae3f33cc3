using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class SwiGluGoldenTests
{
    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "swiglu", MemberType = typeof(BackEnds))]
    public void Y_agrees(string backEnd, string name)
    {
        IForwardKernels kernels = BackEnds.Get(backEnd);
        GoldenCase golden = GoldenManifest.Numerics("swiglu")[name];
        int rows = golden["gate"].Shape[0], width = golden["gate"].Shape[1];
        float[] gateUp = [.. golden["gate"].Singles().Chunk(width).Zip(golden["up"].Singles().Chunk(width), (g, u) => g.Concat(u)).SelectMany(row => row)];
        using Tensor x = kernels.Input(new Shape(rows, 2 * width), gateUp);
        using Tensor y = kernels.Output(new Shape(rows, width));
        kernels.SwiGlu(x, y);
        golden["y"].Check(y.Read());
    }
}
