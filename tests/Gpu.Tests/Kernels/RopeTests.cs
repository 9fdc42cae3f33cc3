namespace Mellum2.Managed.Gpu.Tests;

public sealed class RopeTests
{
    private static (double[] Table, double[] Rotated) Run(IForwardKernels kernels, RopeParameters parameters, int heads, int[] positions, float[] x)
    {
        using Tensor p = Activations.Integers(new Shape(positions.Length), positions, kernels.Device);
        using Tensor table = kernels.Output(new Shape(positions.Length, parameters.Dimension));
        using Tensor input = kernels.Input(new Shape(positions.Length, heads * parameters.Dimension), x);
        using Tensor y = kernels.Output(new Shape(positions.Length, heads * parameters.Dimension));
        kernels.RopeTable(p, parameters, table);
        kernels.Rope(input, table, y);
        return (table.Read(), y.Read());
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Tables_are_float64_rounded_once_and_heads_turn(string device) => TestDevices.ForShapes(device, 5, 30, (rows, width, random) =>
    {
        int dimension = 2 * width, heads = random.Next(1, 4);
        RopeParameters parameters = random.Next(2) == 0
            ? RopeParameters.Plain(dimension, 500000)
            : RopeParameters.Yarn(dimension, 500000, 16, 8192, 32, 1, null);
        int[] positions = [.. Enumerable.Range(0, rows).Select(_ => random.Next(4) switch { 0 => 0, 1 => random.Next(100), 2 => random.Next(131072), _ => random.Next() })];
        float[] x = random.Random((long)rows * heads * dimension);
        var want = Run(TestDevices.Reference, parameters, heads, positions, x);
        var got = Run(TestDevices.Get(device), parameters, heads, positions, x);
        // Half a unit in the last place of numbers up to 2, and what angles of 10⁹ lose in float64.
        Activations.AssertClose(want.Table, got.Table, 0, 1.2e-7 + 1e-6 * (positions.DefaultIfEmpty(0).Max() > 1 << 20 ? 1 : 0));
        Activations.AssertClose(want.Rotated, got.Rotated, 0, 3e-6);
    });
}
