using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Mellum2.Managed.Kernels;

/// <summary>Sixteen lanes in two registers of 256 bits.</summary>
public readonly unsafe struct Lanes256 : ILanes<Lanes256>
{
    private readonly Vector256<float> _v0;
    private readonly Vector256<float> _v1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Lanes256(Vector256<float> v0, Vector256<float> v1)
    {
        _v0 = v0;
        _v1 = v1;
    }

    /// <inheritdoc/>
    public static string Name => "256-bit vectors";

    /// <inheritdoc/>
    public static int Accumulators => 6;

    /// <inheritdoc/>
    public static Lanes256 Zero => default;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Broadcast(float value)
    {
        Vector256<float> v = Vector256.Create(value);
        return new(v, v);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Load(float* source) => new(Vector256.Load(source), Vector256.Load(source + 8));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes256 value, float* target)
    {
        value._v0.Store(target);
        value._v1.Store(target + 8);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator +(Lanes256 a, Lanes256 b) => new(a._v0 + b._v0, a._v1 + b._v1);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator -(Lanes256 a, Lanes256 b) => new(a._v0 - b._v0, a._v1 - b._v1);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator *(Lanes256 a, Lanes256 b) => new(a._v0 * b._v0, a._v1 * b._v1);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 operator /(Lanes256 a, Lanes256 b) => new(a._v0 / b._v0, a._v1 / b._v1);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Sqrt(Lanes256 value) => new(Vector256.Sqrt(value._v0), Vector256.Sqrt(value._v1));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 FusedMultiplyAdd(Lanes256 a, Lanes256 b, Lanes256 c) => new(
        Vector256.FusedMultiplyAdd(a._v0, b._v0, c._v0),
        Vector256.FusedMultiplyAdd(a._v1, b._v1, c._v1));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Max(Lanes256 a, Lanes256 b) => new(
        Vector256.ConditionalSelect(Vector256.GreaterThan(a._v0, b._v0), a._v0, b._v0),
        Vector256.ConditionalSelect(Vector256.GreaterThan(a._v1, b._v1), a._v1, b._v1));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 Min(Lanes256 a, Lanes256 b) => new(
        Vector256.ConditionalSelect(Vector256.LessThan(a._v0, b._v0), a._v0, b._v0),
        Vector256.ConditionalSelect(Vector256.LessThan(a._v1, b._v1), a._v1, b._v1));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 PowerOfTwo(Lanes256 n)
    {
        // Adding 1.5·2²³ leaves the integer in the low bits of the mantissa.
        Vector256<float> bias = Vector256.Create(12582912f + 127f);
        return new(
            Vector256.ShiftLeft((n._v0 + bias).AsInt32(), 23).AsSingle(),
            Vector256.ShiftLeft((n._v1 + bias).AsInt32(), 23).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 SelectLess(Lanes256 a, Lanes256 b, Lanes256 then, Lanes256 otherwise) => new(
        Vector256.ConditionalSelect(Vector256.LessThan(a._v0, b._v0), then._v0, otherwise._v0),
        Vector256.ConditionalSelect(Vector256.LessThan(a._v1, b._v1), then._v1, otherwise._v1));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SplitExponent(Lanes256 x, out Lanes256 mantissa, out Lanes256 exponent)
    {
        Vector256<int> fraction = Vector256.Create(0x007F_FFFF), one = Vector256.Create(0x3F80_0000), bias = Vector256.Create(127);
        mantissa = new(
            ((x._v0.AsInt32() & fraction) | one).AsSingle(),
            ((x._v1.AsInt32() & fraction) | one).AsSingle());
        exponent = new(
            Vector256.ConvertToSingle(Vector256.ShiftRightLogical(x._v0.AsInt32(), 23) - bias),
            Vector256.ConvertToSingle(Vector256.ShiftRightLogical(x._v1.AsInt32(), 23) - bias));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes256 value)
    {
        Vector256<float> eight = value._v0 + value._v1;
        return Tree.Sum(eight.GetLower() + eight.GetUpper());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Lanes256 value)
    {
        Vector256<float> eight = Tree.Max(value._v0, value._v1);
        return Tree.MaxLane(Tree.Max(eight.GetLower(), eight.GetUpper()));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 LoadBFloat16(ushort* source)
    {
        Vector256<ushort> bits = Vector256.Load(source);
        return new((Vector256.WidenLower(bits) << 16).AsSingle(), (Vector256.WidenUpper(bits) << 16).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16(Lanes256 value, ushort* target)
    {
        Vector256.Narrow(RoundToBFloat16(value._v0), RoundToBFloat16(value._v1)).Store(target);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreE4M3(Lanes256 value, byte* target) => Float8Lanes.Store(Float8Lanes.E4M3, value._v0, value._v1, target);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreE5M2(Lanes256 value, byte* target) => Float8Lanes.Store(Float8Lanes.E5M2, value._v0, value._v1, target);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 RoundBFloat16(Lanes256 value) => new(Float8Lanes.Round(Float8Lanes.BFloat16, value._v0), Float8Lanes.Round(Float8Lanes.BFloat16, value._v1));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 RoundE4M3(Lanes256 value) => new(Float8Lanes.Round(Float8Lanes.E4M3, value._v0), Float8Lanes.Round(Float8Lanes.E4M3, value._v1));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes256 RoundE5M2(Lanes256 value) => new(Float8Lanes.Round(Float8Lanes.E5M2, value._v0), Float8Lanes.Round(Float8Lanes.E5M2, value._v1));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadBFloat16Pairs(uint* source, out Lanes256 low, out Lanes256 high)
    {
        Vector256<uint> w0 = Vector256.Load(source);
        Vector256<uint> w1 = Vector256.Load(source + 8);
        Vector256<uint> mask = Vector256.Create(0xFFFF_0000);
        low = new(
            (w0 << 16).AsSingle(),
            (w1 << 16).AsSingle());
        high = new(
            (w0 & mask).AsSingle(),
            (w1 & mask).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadFloat16Pairs(uint* source, out Lanes256 low, out Lanes256 high)
    {
        Vector256<uint> w0 = Vector256.Load(source);
        Vector256<uint> w1 = Vector256.Load(source + 8);
        Vector256<int> mask = Vector256.Create(unchecked((int)0x8FFF_E000));
        low = new(
            (((w0 << 16).AsInt32() >> 3) & mask).AsSingle(),
            (((w1 << 16).AsInt32() >> 3) & mask).AsSingle());
        high = new(
            ((w0.AsInt32() >> 3) & mask).AsSingle(),
            ((w1.AsInt32() >> 3) & mask).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadE4M3Quads(uint* source, out Lanes256 b0, out Lanes256 b1, out Lanes256 b2, out Lanes256 b3)
    {
        Vector256<uint> w0 = Vector256.Load(source);
        Vector256<uint> w1 = Vector256.Load(source + 8);
        // Sign to bit 31; the arithmetic shift puts exponent and mantissa at bits 20 to 26, the mask drops the copies.
        Vector256<int> mask = Vector256.Create(unchecked((int)0x87F0_0000));
        b0 = new(
            (((w0 << 24).AsInt32() >> 4) & mask).AsSingle(),
            (((w1 << 24).AsInt32() >> 4) & mask).AsSingle());
        b1 = new(
            (((w0 << 16).AsInt32() >> 4) & mask).AsSingle(),
            (((w1 << 16).AsInt32() >> 4) & mask).AsSingle());
        b2 = new(
            (((w0 << 8).AsInt32() >> 4) & mask).AsSingle(),
            (((w1 << 8).AsInt32() >> 4) & mask).AsSingle());
        b3 = new(
            ((w0.AsInt32() >> 4) & mask).AsSingle(),
            ((w1.AsInt32() >> 4) & mask).AsSingle());
    }

    // Nearest even by integer arithmetic; a NaN gets its quiet bit, so that no carry turns it into an infinity.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<uint> RoundToBFloat16(Vector256<float> value)
    {
        Vector256<uint> bits = value.AsUInt32();
        Vector256<uint> rounded = (bits + Vector256.Create(0x7FFFu) + ((bits >> 16) & Vector256<uint>.One)) >> 16;
        Vector256<uint> quiet = ((bits >> 16) & Vector256.Create(0x8000u)) | Vector256.Create(0x7FC0u);
        return Vector256.ConditionalSelect(Vector256.Equals(value, value).AsUInt32(), rounded, quiet);
    }
}
