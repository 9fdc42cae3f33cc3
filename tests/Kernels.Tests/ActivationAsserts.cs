using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

internal static partial class Activations
{
    /// <summary>|got − want| ≤ relative · |want| + absolute with want rounded to float32; NaN and infinities in the same places.</summary>
    public static void AssertClose(double[] want, double[] got, double relative, double absolute)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
        {
            double w = (float)want[i], g = (float)got[i];
            bool right = double.IsFinite(w) ? Math.Abs(g - want[i]) <= relative * Math.Abs(want[i]) + absolute : w.Equals(g);
            Assert.True(right, $"[{i}]: got {got[i]:R}, want {want[i]:R}");
        }
    }

    /// <summary>The same bits; NaN equals NaN.</summary>
    public static void AssertSame(double[] want, double[] got)
    {
        Assert.Equal(want.Length, got.Length);
        for (int i = 0; i < want.Length; i++)
            Assert.True(
                BitConverter.DoubleToInt64Bits(want[i]) == BitConverter.DoubleToInt64Bits(got[i]) || (double.IsNaN(want[i]) && double.IsNaN(got[i])),
                $"[{i}]: {got[i]:R} is not the same as {want[i]:R}");
    }
}
