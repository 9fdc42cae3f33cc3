using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Mellum2.Managed.Kernels;

/// <summary>Sixteen lanes in four registers of 128 bits.</summary>
public readonly unsafe struct Lanes128 : ILanes<Lanes128>
{
    private readonly Vector128<float> _v0;
    private readonly Vector128<float> _v1;
    private readonly Vector128<float> _v2;
    private readonly Vector128<float> _v3;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Lanes128(Vector128<float> v0, Vector128<float> v1, Vector128<float> v2, Vector128<float> v3)
    {
        _v0 = v0;
        _v1 = v1;
        _v2 = v2;
        _v3 = v3;
    }

    /// <inheritdoc/>
    public static string Name => "128-bit vectors";

    /// <inheritdoc/>
    public static int Accumulators => 3;

    /// <inheritdoc/>
    public static Lanes128 Zero => default;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Broadcast(float value)
    {
        Vector128<float> v = Vector128.Create(value);
        return new(v, v, v, v);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Load(float* source) => new(Vector128.Load(source), Vector128.Load(source + 4), Vector128.Load(source + 8), Vector128.Load(source + 12));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes128 value, float* target)
    {
        value._v0.Store(target);
        value._v1.Store(target + 4);
        value._v2.Store(target + 8);
        value._v3.Store(target + 12);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator +(Lanes128 a, Lanes128 b) => new(a._v0 + b._v0, a._v1 + b._v1, a._v2 + b._v2, a._v3 + b._v3);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator -(Lanes128 a, Lanes128 b) => new(a._v0 - b._v0, a._v1 - b._v1, a._v2 - b._v2, a._v3 - b._v3);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator *(Lanes128 a, Lanes128 b) => new(a._v0 * b._v0, a._v1 * b._v1, a._v2 * b._v2, a._v3 * b._v3);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 operator /(Lanes128 a, Lanes128 b) => new(a._v0 / b._v0, a._v1 / b._v1, a._v2 / b._v2, a._v3 / b._v3);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Sqrt(Lanes128 value) => new(Vector128.Sqrt(value._v0), Vector128.Sqrt(value._v1), Vector128.Sqrt(value._v2), Vector128.Sqrt(value._v3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 FusedMultiplyAdd(Lanes128 a, Lanes128 b, Lanes128 c) => new(
        Vector128.FusedMultiplyAdd(a._v0, b._v0, c._v0),
        Vector128.FusedMultiplyAdd(a._v1, b._v1, c._v1),
        Vector128.FusedMultiplyAdd(a._v2, b._v2, c._v2),
        Vector128.FusedMultiplyAdd(a._v3, b._v3, c._v3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Max(Lanes128 a, Lanes128 b) => new(
        Vector128.ConditionalSelect(Vector128.GreaterThan(a._v0, b._v0), a._v0, b._v0),
        Vector128.ConditionalSelect(Vector128.GreaterThan(a._v1, b._v1), a._v1, b._v1),
        Vector128.ConditionalSelect(Vector128.GreaterThan(a._v2, b._v2), a._v2, b._v2),
        Vector128.ConditionalSelect(Vector128.GreaterThan(a._v3, b._v3), a._v3, b._v3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 Min(Lanes128 a, Lanes128 b) => new(
        Vector128.ConditionalSelect(Vector128.LessThan(a._v0, b._v0), a._v0, b._v0),
        Vector128.ConditionalSelect(Vector128.LessThan(a._v1, b._v1), a._v1, b._v1),
        Vector128.ConditionalSelect(Vector128.LessThan(a._v2, b._v2), a._v2, b._v2),
        Vector128.ConditionalSelect(Vector128.LessThan(a._v3, b._v3), a._v3, b._v3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 PowerOfTwo(Lanes128 n)
    {
        // Adding 1.5·2²³ leaves the integer in the low bits of the mantissa.
        Vector128<float> bias = Vector128.Create(12582912f + 127f);
        return new(
            Vector128.ShiftLeft((n._v0 + bias).AsInt32(), 23).AsSingle(),
            Vector128.ShiftLeft((n._v1 + bias).AsInt32(), 23).AsSingle(),
            Vector128.ShiftLeft((n._v2 + bias).AsInt32(), 23).AsSingle(),
            Vector128.ShiftLeft((n._v3 + bias).AsInt32(), 23).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 SelectLess(Lanes128 a, Lanes128 b, Lanes128 then, Lanes128 otherwise) => new(
        Vector128.ConditionalSelect(Vector128.LessThan(a._v0, b._v0), then._v0, otherwise._v0),
        Vector128.ConditionalSelect(Vector128.LessThan(a._v1, b._v1), then._v1, otherwise._v1),
        Vector128.ConditionalSelect(Vector128.LessThan(a._v2, b._v2), then._v2, otherwise._v2),
        Vector128.ConditionalSelect(Vector128.LessThan(a._v3, b._v3), then._v3, otherwise._v3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SplitExponent(Lanes128 x, out Lanes128 mantissa, out Lanes128 exponent)
    {
        Vector128<int> fraction = Vector128.Create(0x007F_FFFF), one = Vector128.Create(0x3F80_0000), bias = Vector128.Create(127);
        mantissa = new(
            ((x._v0.AsInt32() & fraction) | one).AsSingle(),
            ((x._v1.AsInt32() & fraction) | one).AsSingle(),
            ((x._v2.AsInt32() & fraction) | one).AsSingle(),
            ((x._v3.AsInt32() & fraction) | one).AsSingle());
        exponent = new(
            Vector128.ConvertToSingle(Vector128.ShiftRightLogical(x._v0.AsInt32(), 23) - bias),
            Vector128.ConvertToSingle(Vector128.ShiftRightLogical(x._v1.AsInt32(), 23) - bias),
            Vector128.ConvertToSingle(Vector128.ShiftRightLogical(x._v2.AsInt32(), 23) - bias),
            Vector128.ConvertToSingle(Vector128.ShiftRightLogical(x._v3.AsInt32(), 23) - bias));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes128 value)
    {
        return Tree.Sum((value._v0 + value._v2) + (value._v1 + value._v3));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Lanes128 value)
    {
        return Tree.MaxLane(Tree.Max(Tree.Max(value._v0, value._v2), Tree.Max(value._v1, value._v3)));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 LoadBFloat16(ushort* source)
    {
        Vector128<ushort> low = Vector128.Load(source), high = Vector128.Load(source + 8);
        return new(
            (Vector128.WidenLower(low) << 16).AsSingle(),
            (Vector128.WidenUpper(low) << 16).AsSingle(),
            (Vector128.WidenLower(high) << 16).AsSingle(),
            (Vector128.WidenUpper(high) << 16).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16(Lanes128 value, ushort* target)
    {
        Vector128.Narrow(RoundToBFloat16(value._v0), RoundToBFloat16(value._v1)).Store(target);
        Vector128.Narrow(RoundToBFloat16(value._v2), RoundToBFloat16(value._v3)).Store(target + 8);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreE4M3(Lanes128 value, byte* target) => Float8Lanes.Store(Float8Lanes.E4M3, value._v0, value._v1, value._v2, value._v3, target);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreE5M2(Lanes128 value, byte* target) => Float8Lanes.Store(Float8Lanes.E5M2, value._v0, value._v1, value._v2, value._v3, target);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 RoundBFloat16(Lanes128 value) => new(
        Float8Lanes.Round(Float8Lanes.BFloat16, value._v0), Float8Lanes.Round(Float8Lanes.BFloat16, value._v1),
        Float8Lanes.Round(Float8Lanes.BFloat16, value._v2), Float8Lanes.Round(Float8Lanes.BFloat16, value._v3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 RoundE4M3(Lanes128 value) => new(
        Float8Lanes.Round(Float8Lanes.E4M3, value._v0), Float8Lanes.Round(Float8Lanes.E4M3, value._v1),
        Float8Lanes.Round(Float8Lanes.E4M3, value._v2), Float8Lanes.Round(Float8Lanes.E4M3, value._v3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes128 RoundE5M2(Lanes128 value) => new(
        Float8Lanes.Round(Float8Lanes.E5M2, value._v0), Float8Lanes.Round(Float8Lanes.E5M2, value._v1),
        Float8Lanes.Round(Float8Lanes.E5M2, value._v2), Float8Lanes.Round(Float8Lanes.E5M2, value._v3));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadBFloat16Pairs(uint* source, out Lanes128 low, out Lanes128 high)
    {
        Vector128<uint> w0 = Vector128.Load(source);
        Vector128<uint> w1 = Vector128.Load(source + 4);
        Vector128<uint> w2 = Vector128.Load(source + 8);
        Vector128<uint> w3 = Vector128.Load(source + 12);
        Vector128<uint> mask = Vector128.Create(0xFFFF_0000);
        low = new(
            (w0 << 16).AsSingle(),
            (w1 << 16).AsSingle(),
            (w2 << 16).AsSingle(),
            (w3 << 16).AsSingle());
        high = new(
            (w0 & mask).AsSingle(),
            (w1 & mask).AsSingle(),
            (w2 & mask).AsSingle(),
            (w3 & mask).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadFloat16Pairs(uint* source, out Lanes128 low, out Lanes128 high)
    {
        Vector128<uint> w0 = Vector128.Load(source);
        Vector128<uint> w1 = Vector128.Load(source + 4);
        Vector128<uint> w2 = Vector128.Load(source + 8);
        Vector128<uint> w3 = Vector128.Load(source + 12);
        Vector128<int> mask = Vector128.Create(unchecked((int)0x8FFF_E000));
        low = new(
            (((w0 << 16).AsInt32() >> 3) & mask).AsSingle(),
            (((w1 << 16).AsInt32() >> 3) & mask).AsSingle(),
            (((w2 << 16).AsInt32() >> 3) & mask).AsSingle(),
            (((w3 << 16).AsInt32() >> 3) & mask).AsSingle());
        high = new(
            ((w0.AsInt32() >> 3) & mask).AsSingle(),
            ((w1.AsInt32() >> 3) & mask).AsSingle(),
            ((w2.AsInt32() >> 3) & mask).AsSingle(),
            ((w3.AsInt32() >> 3) & mask).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadE4M3Quads(uint* source, out Lanes128 b0, out Lanes128 b1, out Lanes128 b2, out Lanes128 b3)
    {
        Vector128<uint> w0 = Vector128.Load(source);
        Vector128<uint> w1 = Vector128.Load(source + 4);
        Vector128<uint> w2 = Vector128.Load(source + 8);
        Vector128<uint> w3 = Vector128.Load(source + 12);
        // Sign to bit 31; the arithmetic shift puts exponent and mantissa at bits 20 to 26, the mask drops the copies.
        Vector128<int> mask = Vector128.Create(unchecked((int)0x87F0_0000));
        b0 = new(
            (((w0 << 24).AsInt32() >> 4) & mask).AsSingle(),
            (((w1 << 24).AsInt32() >> 4) & mask).AsSingle(),
            (((w2 << 24).AsInt32() >> 4) & mask).AsSingle(),
            (((w3 << 24).AsInt32() >> 4) & mask).AsSingle());
        b1 = new(
            (((w0 << 16).AsInt32() >> 4) & mask).AsSingle(),
            (((w1 << 16).AsInt32() >> 4) & mask).AsSingle(),
            (((w2 << 16).AsInt32() >> 4) & mask).AsSingle(),
            (((w3 << 16).AsInt32() >> 4) & mask).AsSingle());
        b2 = new(
            (((w0 << 8).AsInt32() >> 4) & mask).AsSingle(),
            (((w1 << 8).AsInt32() >> 4) & mask).AsSingle(),
            (((w2 << 8).AsInt32() >> 4) & mask).AsSingle(),
            (((w3 << 8).AsInt32() >> 4) & mask).AsSingle());
        b3 = new(
            ((w0.AsInt32() >> 4) & mask).AsSingle(),
            ((w1.AsInt32() >> 4) & mask).AsSingle(),
            ((w2.AsInt32() >> 4) & mask).AsSingle(),
            ((w3.AsInt32() >> 4) & mask).AsSingle());
    }

    // Nearest even by integer arithmetic; a NaN gets its quiet bit, so that no carry turns it into an infinity.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector128<uint> RoundToBFloat16(Vector128<float> value)
    {
        Vector128<uint> bits = value.AsUInt32();
        Vector128<uint> rounded = (bits + Vector128.Create(0x7FFFu) + ((bits >> 16) & Vector128<uint>.One)) >> 16;
        Vector128<uint> quiet = ((bits >> 16) & Vector128.Create(0x8000u)) | Vector128.Create(0x7FC0u);
        return Vector128.ConditionalSelect(Vector128.Equals(value, value).AsUInt32(), rounded, quiet);
    }
}
