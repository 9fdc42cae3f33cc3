using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public class ElementwiseTests
{
    [Theory]
    [MemberData(nameof(BackEnds.SimdNames), MemberType = typeof(BackEnds))]
    public void Add_rounds_every_sum_once(string name) => BackEnds.ForAllShapes(name, 9, 5000, (rows, columns, random) =>
    {
        IForwardKernels kernels = BackEnds.Get(name);
        float[] a = random.Random((long)rows * columns, extremes: true), b = random.Random((long)rows * columns, extremes: true);
        using Tensor left = kernels.Input(new Shape(rows, columns), a), right = kernels.Input(new Shape(rows, columns), b);
        using Tensor y = kernels.Output(new Shape(rows, columns));
        kernels.Add(left, right, y);
        Activations.AssertSame([.. a.Zip(b, (p, q) => (double)(p + q))], y.Read());
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Rows_are_copied_and_joined(string name) => BackEnds.ForAllShapes(name, 9, 50, (rows, columns, random) =>
    {
        IForwardKernels kernels = BackEnds.Get(name);
        int other = random.Next(1, 40), first = random.Next(rows + 1), count = random.Next(rows - first + 1);
        float[] a = random.Random((long)rows * columns), b = random.Random((long)rows * other);
        using Tensor left = kernels.Input(new Shape(rows, columns), a), right = kernels.Input(new Shape(rows, other), b);
        using Tensor part = kernels.Output(new Shape(count, columns)), both = kernels.Output(new Shape(rows, columns + other));
        kernels.CopyRows(left, first, part);
        kernels.Concatenate(left, right, both);
        Activations.AssertSame([.. a.Skip(first * columns).Take(count * columns).Select(v => (double)v)], part.Read());
        double[] joined = both.Read();
        for (int t = 0; t < rows; t++)
            for (int i = 0; i < columns + other; i++)
                Assert.Equal(i < columns ? a[t * columns + i] : b[t * other + i - columns], joined[t * (columns + other) + i]);
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Numbers_are_rounded_to_bfloat16_as_one_by_one(string name) => BackEnds.ForAllShapes(name, 9, 500, (rows, columns, random) =>
    {
        IForwardKernels kernels = BackEnds.Get(name);
        // Any bits: subnormal numbers, infinities and NaN are among them, and ties are as frequent as the rest.
        float[] x = [.. Enumerable.Range(0, rows * columns).Select(_ => BitConverter.Int32BitsToSingle(
            (random.Next(1 << 16) << 16) | random.Next(4) switch { 0 => 0x8000, 1 => 0x7FFF, 2 => 0x8001, _ => random.Next(1 << 16) }))];
        using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, columns));
        kernels.RoundToBFloat16(input, y);
        Activations.AssertSame([.. x.Select(value => (double)BFloat16.FromSingle(value).ToSingle())], y.Read());
    });

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Rounding_to_bfloat16_follows_the_goldens(string name)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        GoldenCase golden = GoldenManifest.Numerics("fp8")["bf16"];
        float[] x = [.. golden["input_bits"].Span<uint>().ToArray().Select(BitConverter.UInt32BitsToSingle)];
        using Tensor input = kernels.Input(new Shape(1, x.Length), x), y = kernels.Output(new Shape(1, x.Length));
        kernels.RoundToBFloat16(input, y);
        ushort[] codes = [.. y.Read().Select(value => (ushort)(BitConverter.SingleToUInt32Bits((float)value) >> 16))];
        golden["code"].CheckCodes<ushort>(codes, code => (code & 0x7FFF) > 0x7F80);
    }
}
