using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training.Tests;

public class PrecisionTests
{
    [Fact]
    public void Back_ends_give_the_same_codes_and_maxima()
    {
        Random random = new(4);
        foreach (int count in new[] { 0, 1, 15, 16, 17, 1000, 40_000 })
        {
            float[] values = random.Normal(count);
            for (int i = 0; i < count; i += 7)
                values[i] *= MathF.Pow(10, random.Next(-12, 12));
            foreach (float extra in new[] { 0, float.NaN, float.NegativeInfinity })
            {
                if (count > 0)
                    values[count / 2] = extra;
                (float maximum, byte[] e4m3, byte[] e5m2) want = Run(BackEnds.Reference, values);
                foreach (IOptimizerKernels kernels in BackEnds.Simd.Values)
                {
                    (float maximum, byte[] e4m3, byte[] e5m2) = Run(kernels, values);
                    Assert.Equal(want.maximum, maximum);
                    Assert.Equal(want.e4m3, e4m3);
                    Assert.Equal(want.e5m2, e5m2);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Sums_of_squares_are_the_same_everywhere(string name)
    {
        foreach (int count in new[] { 0, 1, 33, 16_384, 50_001 })
        {
            float[] values = new Random(count).Normal(count, 1e20);
            using Tensor x = BackEnds.Get(name).Input(new Shape(count), values);
            double got = BackEnds.Get(name).SumOfSquares(x), want = values.Sum(value => (double)value * value);
            Assert.Equal(want, got, want * 1e-13);
            if (name != "reference")
            {
                using Tensor y = BackEnds.Get("Scalar x 1").Input(new Shape(count), values);
                Assert.Equal(BackEnds.Get("Scalar x 1").SumOfSquares(y), got);
            }
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void An_expert_without_tokens_has_a_gradient_of_zero(string name)
    {
        IOptimizerKernels kernels = BackEnds.Get(name);
        using PooledWorkspace workspace = new();
        Float8Products products = new(kernels, workspace);
        using Tensor x = kernels.Zeros(new Shape(0, 6)), dy = kernels.Zeros(new Shape(0, 4));
        using Tensor dw = kernels.Input(new Shape(4, 6), new Random(1).Normal(24));
        products.WeightGradient(products.Quantize(dy, DType.F8E5M2), products.Quantize(x, DType.F8E4M3), dw);
        Assert.All(dw.Read(), value => Assert.Equal(0, value));
    }

    private static (float Maximum, byte[] E4M3, byte[] E5M2) Run(IOptimizerKernels kernels, float[] values)
    {
        using Tensor x = kernels.Input(new Shape(values.Length), values);
        using Tensor e4m3 = Tensor.Allocate(DType.F8E4M3, x.Shape), e5m2 = Tensor.Allocate(DType.F8E5M2, x.Shape);
        float maximum = kernels.AbsoluteMaximum(x);
        kernels.QuantizeFloat8(x, Float8Scale.For(maximum, DType.F8E4M3).Value, e4m3);
        kernels.QuantizeFloat8(x, 3, e5m2);
        return (maximum, e4m3.Bytes(), e5m2.Bytes());
    }
}
