using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>
/// Tensors for tests in a back end's activation type. Behind the last element lie NaN, which must not get into a result
/// and must not be overwritten.
/// </summary>
internal static unsafe class Activations
{
    private const int GuardBytes = 256;

    /// <summary>A tensor with these values.</summary>
    public static Tensor Input(this IForwardKernels kernels, Shape shape, ReadOnlySpan<float> values)
    {
        Tensor tensor = Guarded(kernels.ActivationType, shape);
        for (int i = 0; i < values.Length; i++)
        {
            if (kernels.ActivationType == DType.F64)
                tensor.Span<double>()[i] = values[i];
            else
                tensor.Span<float>()[i] = values[i];
        }
        return tensor;
    }

    /// <summary>A tensor to be written, NaN before.</summary>
    public static Tensor Output(this IForwardKernels kernels, Shape shape) => Guarded(kernels.ActivationType, shape);

    /// <summary>A tensor of zeros, to be added to.</summary>
    public static Tensor Zeros(this IForwardKernels kernels, Shape shape) => kernels.Input(shape, new float[shape.Count]);

    /// <summary>A tensor of 32-bit integers.</summary>
    public static Tensor Integers(Shape shape, ReadOnlySpan<int> values = default)
    {
        Tensor tensor = Guarded(DType.I32, shape);
        values.CopyTo(tensor.Span<int>());
        return tensor;
    }

    /// <summary>A tensor of float32 whatever the activations are: the weights of norms.</summary>
    public static Tensor Singles(Shape shape, ReadOnlySpan<float> values)
    {
        Tensor tensor = Guarded(DType.F32, shape);
        values.CopyTo(tensor.Span<float>());
        return tensor;
    }

    /// <summary>The values, after a look at the guard.</summary>
    public static double[] Read(this Tensor tensor)
    {
        for (long i = tensor.ByteLength; i < tensor.CapacityBytes; i++)
            Assert.True(tensor.Data[i] == 0xFF, "something was written behind the tensor's end");
        double[] values = new double[tensor.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = tensor.Type switch
            {
                DType.F64 => tensor.Span<double>()[i],
                DType.F32 => tensor.Span<float>()[i],
                _ => tensor.Span<int>()[i],
            };
        }
        return values;
    }

    /// <summary>Random numbers around 0; now and then a very large, a very small or a subnormal one.</summary>
    public static float[] Random(this Random random, long count, double scale = 1, bool extremes = false)
    {
        float[] values = new float[count];
        for (int i = 0; i < values.Length; i++)
        {
            double value = (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2 * scale;
            values[i] = (float)(extremes && random.Next(50) == 0 ? value * Math.Pow(10, random.Next(3) switch { 0 => 30, 1 => -30, _ => -41 }) : value);
        }
        return values;
    }

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

    private static Tensor Guarded(DType type, Shape shape)
    {
        Tensor tensor = Tensor.AllocateBytes(type, shape, shape.Count * type.Size() + GuardBytes);
        new Span<byte>(tensor.Data, checked((int)tensor.CapacityBytes)).Fill(0xFF);
        return tensor;
    }
}
