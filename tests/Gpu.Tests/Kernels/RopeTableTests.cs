namespace Mellum2.Managed.Gpu.Tests;

public sealed class RopeTableTests
{
    private static double[] Table(IForwardKernels kernels, RopeParameters parameters, int[] positions)
    {
        using Tensor p = kernels.Integers(new Shape(positions.Length), positions);
        using Tensor table = kernels.Output(new Shape(positions.Length, parameters.Dimension));
        kernels.RopeTable(p, parameters, table);
        return table.Read();
    }

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Tables_are_float64_rounded_once(string device) => BackEnds.ForAllShapes(device, 40, 70, (rows, half, random) =>
    {
        RopeParameters parameters = random.Next(2) == 0
            ? RopeParameters.Plain(2 * half, 500000)
            : RopeParameters.Yarn(2 * half, 500000, 16, 8192, 32, 1, null);
        int[] positions = [.. Enumerable.Range(0, rows).Select(_ => random.Next(4) switch { 0 => 0, 1 => random.Next(100), 2 => random.Next(131072), _ => random.Next() })];
        // Half a unit in the last place of numbers up to 2, and what angles of 10⁹ lose in float64.
        Activations.AssertClose(
            Table(TestDevices.Reference, parameters, positions), Table(TestDevices.Get(device), parameters, positions), 0,
            1.2e-7 + 1e-6 * (positions.DefaultIfEmpty(0).Max() > 1 << 20 ? 1 : 0));
    });
}
