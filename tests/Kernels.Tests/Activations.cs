using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>
/// Tensors for tests in a back end's activation type. Behind the last element lie NaN, which must not get into a result
/// and must not be overwritten.
/// </summary>
internal static partial class Activations
{
    private const int GuardBytes = 256;

    /// <summary>A tensor with these values.</summary>
    public static Tensor Input(this IForwardKernels kernels, Shape shape, ReadOnlySpan<float> values)
    {
        Tensor tensor = Guarded(kernels.ActivationType, shape, kernels.Device);
        if (kernels.ActivationType == DType.F64)
            tensor.Write<double>(Array.ConvertAll(values.ToArray(), value => (double)value));
        else
            tensor.Write(values);
        return tensor;
    }

    /// <summary>A tensor to be written, NaN before.</summary>
    public static Tensor Output(this IForwardKernels kernels, Shape shape) => Guarded(kernels.ActivationType, shape, kernels.Device);

    /// <summary>A tensor of zeros, to be added to.</summary>
    public static Tensor Zeros(this IForwardKernels kernels, Shape shape) => kernels.Input(shape, new float[shape.Count]);

    /// <summary>A tensor of 32-bit integers.</summary>
    public static Tensor Integers(Shape shape, ReadOnlySpan<int> values = default, Device? device = null)
    {
        Tensor tensor = Guarded(DType.I32, shape, device);
        tensor.Write(values);
        return tensor;
    }

    /// <summary>A tensor of float32 whatever the activations are: the weights of norms.</summary>
    public static Tensor Singles(Shape shape, ReadOnlySpan<float> values, Device? device = null)
    {
        Tensor tensor = Guarded(DType.F32, shape, device);
        tensor.Write(values);
        return tensor;
    }

    /// <summary>A tensor of 32-bit integers where the kernels have theirs.</summary>
    public static Tensor Integers(this IForwardKernels kernels, Shape shape, ReadOnlySpan<int> values = default) =>
        Integers(shape, values, kernels.Device);

    /// <summary>A tensor of float32 where the kernels have theirs.</summary>
    public static Tensor Singles(this IForwardKernels kernels, Shape shape, ReadOnlySpan<float> values) => Singles(shape, values, kernels.Device);

    /// <summary>The values of a tensor of 32-bit integers.</summary>
    public static int[] ReadIntegers(this Tensor tensor)
    {
        int[] values = new int[tensor.Count];
        tensor.Read<int>(values);
        return values;
    }

    /// <summary>The values, after a look at the guard.</summary>
    public static double[] Read(this Tensor tensor)
    {
        (DType type, Shape shape, int length) = (tensor.Type, tensor.Shape, checked((int)tensor.ByteLength));
        byte[] bytes = new byte[tensor.CapacityBytes];
        tensor.Reinterpret(DType.U8, new Shape(bytes.Length));
        tensor.Read<byte>(bytes);
        tensor.Reinterpret(type, shape);
        if (bytes.AsSpan(length).ContainsAnyExcept((byte)0xFF))
            throw new InvalidOperationException("something was written behind the tensor's end");
        double[] values = new double[tensor.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = type switch
            {
                DType.F64 => BitConverter.ToDouble(bytes, 8 * i),
                DType.F32 => BitConverter.ToSingle(bytes, 4 * i),
                _ => BitConverter.ToInt32(bytes, 4 * i),
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

    private static Tensor Guarded(DType type, Shape shape, Device? device)
    {
        Tensor tensor = (device ?? Device.Cpu).Allocate(type, shape, shape.Count * type.Size() + GuardBytes);
        byte[] ones = new byte[tensor.CapacityBytes];
        Array.Fill(ones, (byte)0xFF);
        tensor.Reinterpret(DType.U8, new Shape(ones.Length));
        tensor.Write<byte>(ones);
        tensor.Reinterpret(type, shape);
        return tensor;
    }
}
