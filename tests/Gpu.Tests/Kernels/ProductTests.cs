namespace Mellum2.Managed.Gpu.Tests;

public sealed class ProductTests
{
    public static IEnumerable<object?[]> Formats() => ProductDefinitionTests.Formats();

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void An_id_outside_of_the_table_gives_NaN_and_touches_nothing_else(string device)
    {
        GpuKernels kernels = TestDevices.Get(device);
        using WeightMatrix plain = WeightFactory.Create(new Random(9), DType.F32, null, 4, 5);
        using WeightMatrix table = kernels.PrepareEmbedding(plain);
        using Tensor tokens = Activations.Integers(new Shape(3), [-1, 2, 4], kernels.Device), y = kernels.Output(new Shape(3, 5));
        kernels.Embed(tokens, table, y);
        double[] rows = y.Read();
        Assert.All(rows[..5].Concat(rows[10..]), value => Assert.True(double.IsNaN(value)));
        Assert.Equal(plain.At(2, 1), rows[6]);
    }

    [Fact]
    public void Weights_that_no_kernel_decodes_are_refused()
    {
        GpuKernels kernels = TestDevices.Get("emulator:0");
        using WeightMatrix half = WeightMatrix.RowMajor("w", Tensor.From<ushort>(DType.F16, new Shape(1, 2), [0x3C00, 0x7C00]));
        Assert.Contains("row 0, column 1", Assert.Throws<InvalidInputException>(() => kernels.Prepare([half])).Message, StringComparison.Ordinal);
        using WeightMatrix other = WeightMatrix.RowMajor("u", Tensor.Allocate(DType.F8E5M2, new Shape(1, 2)));
        Assert.Contains("F8_E5M2", Assert.Throws<InvalidInputException>(() => kernels.Prepare([other])).Message, StringComparison.Ordinal);
    }
}
