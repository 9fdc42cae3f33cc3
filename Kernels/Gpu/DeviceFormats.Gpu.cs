using ILGPU;

namespace Mellum2.Managed.Kernels;

/// <summary>How kernels read weights: 32-bit words with one, two or four weights, the first column in the lowest bits.</summary>
internal interface IWeightWord
{
    /// <summary>The weights of a word.</summary>
    static abstract int Count { get; }

    /// <summary>Weight <paramref name="index"/> of a word, exactly.</summary>
    static abstract float Decode(uint word, int index);
}

/// <summary>float32.</summary>
internal readonly struct Float32Word : IWeightWord
{
    public static int Count => 1;

    public static float Decode(uint word, int index) => Interop.IntAsFloat(word);
}

/// <summary>bfloat16.</summary>
internal readonly struct BFloat16Word : IWeightWord
{
    public static int Count => 2;

    public static float Decode(uint word, int index) => Interop.IntAsFloat((word >> (16 * index)) << 16);
}

/// <summary>IEEE binary16, finite. The arithmetic is in integers: not every OpenCL device has the type.</summary>
internal readonly struct Float16Word : IWeightWord
{
    public static int Count => 2;

    public static float Decode(uint word, int index)
    {
        uint bits = word >> (16 * index), magnitude = bits & 0x7FFFu;
        float value = magnitude < 0x400u ? (int)magnitude * 5.9604645e-8f : Interop.IntAsFloat((magnitude << 13) + 0x38000000u);
        return (bits & 0x8000u) != 0 ? -value : value;
    }
}

/// <summary>8-bit float 1-4-3, finite.</summary>
internal readonly struct Float8Word : IWeightWord
{
    public static int Count => 4;

    public static float Decode(uint word, int index)
    {
        uint bits = word >> (8 * index), magnitude = bits & 0x7Fu;
        float value = magnitude < 8u ? (int)magnitude * 0.001953125f : Interop.IntAsFloat((magnitude << 20) + 0x3C000000u);
        return (bits & 0x80u) != 0 ? -value : value;
    }
}

/// <summary>How kernels read and write the elements of a <see cref="KvLayer"/>.</summary>
internal interface ICacheElement
{
    /// <summary>The element at <paramref name="index"/>, exactly.</summary>
    static abstract float Load(ArrayView<uint> cache, long index);

    /// <summary>Writes an element, rounded to nearest even.</summary>
    static abstract void Store(ArrayView<uint> cache, long index, float value);
}

/// <summary>Caches in float32.</summary>
internal readonly struct Float32Element : ICacheElement
{
    public static float Load(ArrayView<uint> cache, long index) => cache.Cast<float>()[index];

    public static void Store(ArrayView<uint> cache, long index, float value) => cache.Cast<float>()[index] = value;
}

/// <summary>Caches in bfloat16.</summary>
internal readonly struct BFloat16Element : ICacheElement
{
    public static float Load(ArrayView<uint> cache, long index) => Interop.IntAsFloat((uint)cache.Cast<ushort>()[index] << 16);

    public static void Store(ArrayView<uint> cache, long index, float value) =>
        cache.Cast<ushort>()[index] = (ushort)DeviceMath.BFloat16Bits(value);
}
