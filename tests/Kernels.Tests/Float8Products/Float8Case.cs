using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>What the tests of products with rounded rows do on every back end.</summary>
internal static class Float8Case
{
    /// <summary>The values of the rounded rows and their inverse scales.</summary>
    public static (double[] Values, float[] Inverses) Round(IForwardKernels kernels, float[] x, int rows, int columns)
    {
        using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, columns));
        using Tensor inverses = Activations.Singles(new Shape(rows), new float[rows], kernels.Device);
        ((IFloat8Kernels)kernels).RoundRowsToFloat8(input, y, inverses);
        return (y.Read(), [.. inverses.Read().Select(value => (float)value)]);
    }

    /// <summary>q(x)·Wᵀ.</summary>
    public static double[] Multiply(IForwardKernels kernels, WeightMatrix[] parts, float[] x, int rows, int columns)
    {
        using PooledWorkspace workspace = new(kernels.Device.Allocate);
        using WeightMatrix w = kernels.Prepare(parts);
        using Tensor input = kernels.Input(new Shape(rows, columns), x), y = kernels.Output(new Shape(rows, w.Rows));
        ((IFloat8Kernels)kernels).Float8MatMul(input, w, y, workspace);
        return y.Read();
    }

    /// <summary>Σ |q(x)|·|W| / s of every element: what the error of a sum is measured by.</summary>
    public static double[] Magnitudes(WeightMatrix[] parts, float[] x, int rows, int columns)
    {
        var (values, inverses) = Round(BackEnds.Reference, x, rows, columns);
        return
        [
            .. from row in Enumerable.Range(0, rows)
               from part in parts
               from output in Enumerable.Range(0, part.Rows)
               select inverses[row] * Enumerable.Range(0, columns).Sum(k => Math.Abs(values[row * columns + k] * part.At(output, k))),
        ];
    }

    /// <summary>|got − want| ≤ relative · magnitude.</summary>
    public static void AssertProducts(double[] want, double[] got, double[] magnitudes, double relative)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
        {
            double tolerance = magnitudes[i] * relative + 1e-37;
            Assert.True(Math.Abs(want[i] - got[i]) <= tolerance, $"element {i}: {got[i]:R}, not {want[i]:R} ± {tolerance:R}");
        }
    }
}
