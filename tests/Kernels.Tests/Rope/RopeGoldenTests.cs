using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class RopeGoldenTests
{
    private static RopeParameters Parameters(GoldenCase golden) => golden.Word("kind") == "yarn"
        ? RopeParameters.Yarn(
            golden.Integer("dim"), golden.Number("theta"), golden.Number("factor"), golden.Number("l0"),
            golden.Number("beta_fast"), golden.Number("beta_slow"), golden.Number("attention_factor"))
        : RopeParameters.Plain(golden.Integer("dim"), golden.Number("theta"));

    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "rope", MemberType = typeof(BackEnds))]
    public void The_table_agrees(string backEnd, string name)
    {
        IForwardKernels kernels = BackEnds.Get(backEnd);
        GoldenCase golden = GoldenManifest.Numerics("rope")[name];
        RopeParameters parameters = Parameters(golden);
        int[] positions = golden["positions"].Integers();
        int half = parameters.Dimension / 2;
        using Tensor p = kernels.Integers(new Shape(positions.Length), positions);
        using Tensor table = kernels.Output(new Shape(positions.Length, 2 * half));
        kernels.RopeTable(p, parameters, table);
        double[] rows = table.Read();
        golden["inv_freq"].Check([.. parameters.InverseFrequencies]);
        golden["cos"].Check(Half(0));
        golden["sin"].Check(Half(half));

        double[] Half(int start) => [.. rows.Chunk(2 * half).SelectMany(row => row.Skip(start).Take(half))];
    }

    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "rope", MemberType = typeof(BackEnds))]
    public void The_rotation_agrees(string backEnd, string name)
    {
        IForwardKernels kernels = BackEnds.Get(backEnd);
        GoldenCase golden = GoldenManifest.Numerics("rope")[name];
        int[] shape = golden["x"].Shape;
        int half = shape[2] / 2;
        float[] table = [.. golden["cos"].Singles().Chunk(half).Zip(golden["sin"].Singles().Chunk(half), (c, s) => c.Concat(s)).SelectMany(row => row)];
        using Tensor x = kernels.Input(new Shape(shape[0], shape[1] * shape[2]), golden["x"].Singles());
        using Tensor t = kernels.Input(new Shape(shape[0], 2 * half), table);
        using Tensor y = kernels.Output(x.Shape);
        kernels.Rope(x, t, y);
        golden["y"].Check(y.Read());
    }
}
