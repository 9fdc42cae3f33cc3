using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training.Tests;

public class NewtonSchulzTests
{
    private const double Epsilon = 1e-7;

    // Every way through the kernel: tails of tiles and panels, more than one block of panels, more than one chunk of columns,
    // upright and lying, odd batches.
    public static TheoryData<int, int, int> Shapes => new()
    {
        { 1, 1, 1 }, { 3, 1, 7 }, { 2, 17, 5 }, { 5, 33, 40 }, { 3, 64, 64 }, { 1, 150, 141 }, { 2, 129, 600 }, { 1, 530, 140 }, { 1, 520, 531 },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Agrees_with_the_definition_and_between_widths_and_threads(int batch, int rows, int columns)
    {
        float[] values = new Random(rows * 1000 + columns).Normal((long)batch * rows * columns);
        // The definition is slow: one step of large matrices.
        ReadOnlySpan<NewtonSchulzStep> steps = rows * columns > 30_000 ? NewtonSchulzSteps.Quintic[..1] : NewtonSchulzSteps.Quintic;
        double[] want = Run(BackEnds.Reference, new Shape(batch, rows, columns), values, steps);
        double largest = want.Max(Math.Abs);
        double[]? first = null;
        foreach ((string name, IOptimizerKernels kernels) in BackEnds.Simd)
        {
            if (rows * columns > 30_000 && name.StartsWith("Scalar", StringComparison.Ordinal))
                continue;
            double[] got = Run(kernels, new Shape(batch, rows, columns), values, steps);
            for (int i = 0; i < want.Length; i++)
                Assert.True(Math.Abs(got[i] - want[i]) <= 5e-5 * largest, $"{name} [{i}]: {got[i]:R} instead of {want[i]:R}");
            Assert.Equal(first ??= got, got);
        }
    }

    [Fact]
    public void Large_matrices_are_cut_up_without_a_trace()
    {
        // Above the size up to which a worker takes a whole matrix; a part of its own gives the same bits as in a batch.
        Shape shape = new(2, 1030, 1024);
        float[] values = new Random(3).Normal(shape.Count);
        ReadOnlySpan<NewtonSchulzStep> step = NewtonSchulzSteps.Quintic[..1];
        (string one, string two) = Processor.WidestVectors is VectorWidth.V512 ? ("V512 x 1", "V512 x 2") : ("V128 x 1", "V128 x 2");
        double[] together = Run(BackEnds.Get(two), shape, values, step);
        Assert.Equal(together, Run(BackEnds.Get(one), shape, values, step));
        int size = 1030 * 1024;
        Assert.Equal(together[size..], Run(BackEnds.Get(two), new Shape(1030, 1024), values.AsSpan(size), step));
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Near_exact_steps_reach_the_polar_factor(string name)
    {
        foreach ((int rows, int columns) in new[] { (24, 40), (40, 24), (48, 96) })
        {
            float[] u = new Random(5).Normal(rows * columns);
            double[] o = Run(BackEnds.Get(name), new Shape(rows, columns), u, NewtonSchulzSteps.NearExact);
            int small = Math.Min(rows, columns);
            for (int i = 0; i < small; i++)
            {
                for (int j = 0; j < small; j++)
                {
                    // The short side is orthonormal, and OᵀU (or OUᵀ) is symmetric: with a positive diagonal, that is the polar factor.
                    (double product, double mixed, double mirrored) = (0, 0, 0);
                    for (int k = 0; k < Math.Max(rows, columns); k++)
                    {
                        int a = rows < columns ? i * columns + k : k * columns + i, b = rows < columns ? j * columns + k : k * columns + j;
                        product += o[a] * o[b];
                        mixed += o[a] * u[b];
                        mirrored += u[a] * o[b];
                    }
                    Assert.Equal(i == j ? 1 : 0, product, 2e-3);
                    Assert.Equal(mixed, mirrored, 1e-2);
                    Assert.True(i != j || mixed > 0);
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Singular_values_follow_the_polynomials(string name)
    {
        // A diagonal matrix of norm 1 shows its singular values.
        foreach (double s in new[] { 1e-4, 1e-3, 0.01, 0.1, 0.5, 1 })
        {
            double other = Math.Sqrt(1 - s * s), want = s;
            double[] o = Run(BackEnds.Get(name), new Shape(2, 2), [(float)s, 0, 0, (float)other], NewtonSchulzSteps.Quintic, 0);
            foreach (NewtonSchulzStep step in NewtonSchulzSteps.Quintic)
                want = want * (step.A + want * want * (step.B + want * want * step.C));
            Assert.Equal(want, o[0], 1e-5);
            Assert.Equal(0, o[1]);
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void A_NaN_stays_in_its_matrix_and_zero_stays_zero(string name)
    {
        Shape shape = new(3, 18, 20);
        float[] values = new Random(6).Normal(shape.Count);
        int size = 18 * 20;
        double[] clean = Run(BackEnds.Get(name), shape, values, NewtonSchulzSteps.Quintic);
        values[size + 7] = float.NaN;
        values.AsSpan(2 * size).Clear();
        double[] got = Run(BackEnds.Get(name), shape, values, NewtonSchulzSteps.Quintic);
        Assert.Equal(clean[..size], got[..size]);
        Assert.All(got[size..(2 * size)], value => Assert.True(double.IsNaN(value)));
        Assert.All(got[(2 * size)..], value => Assert.Equal(0, value));
    }

    private static double[] Run(
        IOptimizerKernels kernels, Shape shape, ReadOnlySpan<float> values, ReadOnlySpan<NewtonSchulzStep> steps, double epsilon = Epsilon)
    {
        using Tensor u = kernels.Input(shape, values), o = kernels.Zeros(shape);
        kernels.NewtonSchulz(u, steps, epsilon, o);
        return o.Read();
    }
}
