using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>Central differences in float64 against the gradients of the reference kernels.</summary>
internal static unsafe class FiniteDifferences
{
    // Truncation grows with the square of the step, rounding with its inverse: together about 1e-10 here.
    private const double Step = 1e-5;

    // A power of two, which float32 numbers of ordinary size take exactly enough.
    private const double SingleStep = 1.0 / 1024;

    /// <summary>Moves each element of <paramref name="x"/> up and down and compares the change of the loss.</summary>
    public static void Check(Tensor x, Func<double> loss, Tensor gradient, double tolerance = 1e-7)
    {
        double[] got = gradient.Read();
        double largest = Math.Max(1e-3, got.Max(Math.Abs));
        for (int i = 0; i < x.Count; i++)
        {
            double up, down, width;
            if (x.Type == DType.F64)
            {
                double value = x.Span<double>()[i];
                (up, down, width) = (At(x.Span<double>(), i, value + Step, loss), At(x.Span<double>(), i, value - Step, loss), 2 * Step);
                x.Span<double>()[i] = value;
            }
            else
            {
                float value = x.Span<float>()[i], high = (float)(value + SingleStep), low = (float)(value - SingleStep);
                (up, down, width) = (At(x.Span<float>(), i, high, loss), At(x.Span<float>(), i, low, loss), (double)high - low);
                x.Span<float>()[i] = value;
            }
            double want = (up - down) / width;
            Assert.True(Math.Abs(want - got[i]) <= tolerance * largest, $"[{i}]: the gradient is {got[i]:R}, differences give {want:R}");
        }
    }

    /// <summary>Σ y·dy: the loss whose gradient with respect to y is dy.</summary>
    public static double Dot(Tensor y, Tensor dy)
    {
        double sum = 0;
        for (int i = 0; i < y.Count; i++)
            sum += y.Span<double>()[i] * dy.Span<double>()[i];
        return sum;
    }

    private static double At<T>(Span<T> values, int i, T value, Func<double> loss)
    {
        values[i] = value;
        return loss();
    }
}
