using System.Runtime.CompilerServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Sixteen lanes without vectors: what runs where nothing wider does, and the plainest statement of the others.</summary>
[InlineArray(Lanes)]
public unsafe struct LanesScalar : ILanes<LanesScalar>
{
    private const int Lanes = 16;
    private float _lane0;

    /// <inheritdoc/>
    public static string Name => "scalar";

    /// <inheritdoc/>
    public static int Accumulators => 1;

    /// <inheritdoc/>
    public static LanesScalar Zero => default;

    /// <inheritdoc/>
    public static LanesScalar Broadcast(float value)
    {
        LanesScalar result = default;
        ((Span<float>)result).Fill(value);
        return result;
    }

    /// <inheritdoc/>
    public static LanesScalar Load(float* source)
    {
        LanesScalar result = default;
        new ReadOnlySpan<float>(source, Lanes).CopyTo(result);
        return result;
    }

    /// <inheritdoc/>
    public static void Store(LanesScalar value, float* target) => ((ReadOnlySpan<float>)value).CopyTo(new Span<float>(target, Lanes));

    /// <inheritdoc/>
    public static LanesScalar operator +(LanesScalar a, LanesScalar b)
    {
        for (int i = 0; i < Lanes; i++)
            a[i] += b[i];
        return a;
    }

    /// <inheritdoc/>
    public static LanesScalar operator -(LanesScalar a, LanesScalar b)
    {
        for (int i = 0; i < Lanes; i++)
            a[i] -= b[i];
        return a;
    }

    /// <inheritdoc/>
    public static LanesScalar operator *(LanesScalar a, LanesScalar b)
    {
        for (int i = 0; i < Lanes; i++)
            a[i] *= b[i];
        return a;
    }

    /// <inheritdoc/>
    public static LanesScalar operator /(LanesScalar a, LanesScalar b)
    {
        for (int i = 0; i < Lanes; i++)
            a[i] /= b[i];
        return a;
    }

    /// <inheritdoc/>
    public static LanesScalar Sqrt(LanesScalar value)
    {
        for (int i = 0; i < Lanes; i++)
            value[i] = MathF.Sqrt(value[i]);
        return value;
    }

    /// <inheritdoc/>
    public static LanesScalar FusedMultiplyAdd(LanesScalar a, LanesScalar b, LanesScalar c)
    {
        for (int i = 0; i < Lanes; i++)
            c[i] = MathF.FusedMultiplyAdd(a[i], b[i], c[i]);
        return c;
    }

    /// <inheritdoc/>
    public static LanesScalar Max(LanesScalar a, LanesScalar b)
    {
        for (int i = 0; i < Lanes; i++)
            b[i] = a[i] > b[i] ? a[i] : b[i];
        return b;
    }

    /// <inheritdoc/>
    public static LanesScalar Min(LanesScalar a, LanesScalar b)
    {
        for (int i = 0; i < Lanes; i++)
            b[i] = a[i] < b[i] ? a[i] : b[i];
        return b;
    }

    /// <inheritdoc/>
    public static LanesScalar PowerOfTwo(LanesScalar n)
    {
        for (int i = 0; i < Lanes; i++)
            n[i] = BitConverter.Int32BitsToSingle(((int)n[i] + 127) << 23);
        return n;
    }

    /// <inheritdoc/>
    public static LanesScalar SelectLess(LanesScalar a, LanesScalar b, LanesScalar then, LanesScalar otherwise)
    {
        for (int i = 0; i < Lanes; i++)
            otherwise[i] = a[i] < b[i] ? then[i] : otherwise[i];
        return otherwise;
    }

    /// <inheritdoc/>
    public static void SplitExponent(LanesScalar x, out LanesScalar mantissa, out LanesScalar exponent)
    {
        mantissa = default;
        exponent = default;
        for (int i = 0; i < Lanes; i++)
        {
            int bits = BitConverter.SingleToInt32Bits(x[i]);
            mantissa[i] = BitConverter.Int32BitsToSingle(bits & 0x007F_FFFF | 0x3F80_0000);
            exponent[i] = (bits >>> 23) - 127;
        }
    }

    /// <inheritdoc/>
    public static float Sum(LanesScalar value)
    {
        for (int width = Lanes / 2; width > 0; width /= 2)
            for (int i = 0; i < width; i++)
                value[i] += value[i + width];
        return value[0];
    }

    /// <inheritdoc/>
    public static float MaxLane(LanesScalar value)
    {
        for (int width = Lanes / 2; width > 0; width /= 2)
            for (int i = 0; i < width; i++)
                value[i] = value[i] > value[i + width] ? value[i] : value[i + width];
        return value[0];
    }

    /// <inheritdoc/>
    public static LanesScalar LoadBFloat16(ushort* source)
    {
        LanesScalar result = default;
        for (int i = 0; i < Lanes; i++)
            result[i] = new BFloat16(source[i]).ToSingle();
        return result;
    }

    /// <inheritdoc/>
    public static void StoreBFloat16(LanesScalar value, ushort* target)
    {
        for (int i = 0; i < Lanes; i++)
            target[i] = BFloat16.FromSingle(value[i]).Bits;
    }

    /// <inheritdoc/>
    public static void StoreE4M3(LanesScalar value, byte* target)
    {
        for (int i = 0; i < Lanes; i++)
            target[i] = Float8E4M3.FromSingle(value[i]).Bits;
    }

    /// <inheritdoc/>
    public static void StoreE5M2(LanesScalar value, byte* target)
    {
        for (int i = 0; i < Lanes; i++)
            target[i] = Float8E5M2.FromSingle(value[i]).Bits;
    }

    /// <inheritdoc/>
    public static LanesScalar RoundBFloat16(LanesScalar value)
    {
        for (int i = 0; i < Lanes; i++)
            value[i] = BFloat16.FromSingle(value[i]).ToSingle();
        return value;
    }

    /// <inheritdoc/>
    public static LanesScalar RoundE4M3(LanesScalar value)
    {
        for (int i = 0; i < Lanes; i++)
            value[i] = Float8E4M3.FromSingle(value[i]).ToSingle();
        return value;
    }

    /// <inheritdoc/>
    public static LanesScalar RoundE5M2(LanesScalar value)
    {
        for (int i = 0; i < Lanes; i++)
            value[i] = Float8E5M2.FromSingle(value[i]).ToSingle();
        return value;
    }

    /// <inheritdoc/>
    public static void LoadBFloat16Pairs(uint* source, out LanesScalar low, out LanesScalar high)
    {
        low = default;
        high = default;
        for (int i = 0; i < Lanes; i++)
        {
            low[i] = new BFloat16((ushort)source[i]).ToSingle();
            high[i] = new BFloat16((ushort)(source[i] >> 16)).ToSingle();
        }
    }

    /// <inheritdoc/>
    public static void LoadFloat16Pairs(uint* source, out LanesScalar low, out LanesScalar high)
    {
        low = default;
        high = default;
        for (int i = 0; i < Lanes; i++)
        {
            low[i] = Float16.DecodeScaled((ushort)source[i]);
            high[i] = Float16.DecodeScaled((ushort)(source[i] >> 16));
        }
    }

    /// <inheritdoc/>
    public static void LoadE4M3Quads(
        uint* source, out LanesScalar b0, out LanesScalar b1, out LanesScalar b2, out LanesScalar b3)
    {
        b0 = b1 = b2 = b3 = default;
        for (int i = 0; i < Lanes; i++)
        {
            b0[i] = Float8E4M3.DecodeScaled((byte)source[i]);
            b1[i] = Float8E4M3.DecodeScaled((byte)(source[i] >> 8));
            b2[i] = Float8E4M3.DecodeScaled((byte)(source[i] >> 16));
            b3[i] = Float8E4M3.DecodeScaled((byte)(source[i] >> 24));
        }
    }
}
