using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Mellum2.Managed.Kernels;

/// <summary>Sixteen lanes in one register of 512 bits.</summary>
public readonly unsafe struct Lanes512 : ILanes<Lanes512>
{
    private readonly Vector512<float> _v0;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Lanes512(Vector512<float> v0)
    {
        _v0 = v0;
    }

    /// <inheritdoc/>
    public static string Name => "AVX-512";

    /// <inheritdoc/>
    public static int Accumulators => 28;

    /// <inheritdoc/>
    public static Lanes512 Zero => default;

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Broadcast(float value) => new(Vector512.Create(value));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Load(float* source) => new(Vector512.Load(source));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store(Lanes512 value, float* target) => value._v0.Store(target);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator +(Lanes512 a, Lanes512 b) => new(a._v0 + b._v0);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator -(Lanes512 a, Lanes512 b) => new(a._v0 - b._v0);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator *(Lanes512 a, Lanes512 b) => new(a._v0 * b._v0);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 operator /(Lanes512 a, Lanes512 b) => new(a._v0 / b._v0);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Sqrt(Lanes512 value) => new(Vector512.Sqrt(value._v0));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 FusedMultiplyAdd(Lanes512 a, Lanes512 b, Lanes512 c) => new(Vector512.FusedMultiplyAdd(a._v0, b._v0, c._v0));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Max(Lanes512 a, Lanes512 b) => new(Avx512F.Max(a._v0, b._v0));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 Min(Lanes512 a, Lanes512 b) => new(Avx512F.Min(a._v0, b._v0));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 PowerOfTwo(Lanes512 n)
    {
        // Adding 1.5·2²³ leaves the integer in the low bits of the mantissa.
        Vector512<float> bias = Vector512.Create(12582912f + 127f);
        return new(Vector512.ShiftLeft((n._v0 + bias).AsInt32(), 23).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 SelectLess(Lanes512 a, Lanes512 b, Lanes512 then, Lanes512 otherwise) => new(Vector512.ConditionalSelect(Vector512.LessThan(a._v0, b._v0), then._v0, otherwise._v0));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void SplitExponent(Lanes512 x, out Lanes512 mantissa, out Lanes512 exponent)
    {
        Vector512<int> fraction = Vector512.Create(0x007F_FFFF), one = Vector512.Create(0x3F80_0000), bias = Vector512.Create(127);
        mantissa = new(((x._v0.AsInt32() & fraction) | one).AsSingle());
        exponent = new(Vector512.ConvertToSingle(Vector512.ShiftRightLogical(x._v0.AsInt32(), 23) - bias));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Lanes512 value)
    {
        Vector256<float> eight = value._v0.GetLower() + value._v0.GetUpper();
        return Tree.Sum(eight.GetLower() + eight.GetUpper());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Lanes512 value)
    {
        Vector256<float> eight = Tree.Max(value._v0.GetLower(), value._v0.GetUpper());
        return Tree.MaxLane(Tree.Max(eight.GetLower(), eight.GetUpper()));
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 LoadBFloat16(ushort* source) => new(Vector512.ShiftLeft(Avx512F.ConvertToVector512Int32(Vector256.Load(source)), 16).AsSingle());

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreBFloat16(Lanes512 value, ushort* target)
    {
        Avx512F.ConvertToVector256UInt16(RoundToBFloat16(value._v0)).Store(target);
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreE4M3(Lanes512 value, byte* target) => Float8Lanes.Store(Float8Lanes.E4M3, value._v0, target);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreE5M2(Lanes512 value, byte* target) => Float8Lanes.Store(Float8Lanes.E5M2, value._v0, target);

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 RoundBFloat16(Lanes512 value) => new(Float8Lanes.Round(Float8Lanes.BFloat16, value._v0));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 RoundE4M3(Lanes512 value) => new(Float8Lanes.Round(Float8Lanes.E4M3, value._v0));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Lanes512 RoundE5M2(Lanes512 value) => new(Float8Lanes.Round(Float8Lanes.E5M2, value._v0));

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadBFloat16Pairs(uint* source, out Lanes512 low, out Lanes512 high)
    {
        Vector512<uint> w0 = Vector512.Load(source);
        Vector512<uint> mask = Vector512.Create(0xFFFF_0000);
        low = new((w0 << 16).AsSingle());
        high = new((w0 & mask).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadFloat16Pairs(uint* source, out Lanes512 low, out Lanes512 high)
    {
        Vector512<uint> w0 = Vector512.Load(source);
        Vector512<int> mask = Vector512.Create(unchecked((int)0x8FFF_E000));
        low = new((((w0 << 16).AsInt32() >> 3) & mask).AsSingle());
        high = new(((w0.AsInt32() >> 3) & mask).AsSingle());
    }

    /// <inheritdoc/>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void LoadE4M3Quads(uint* source, out Lanes512 b0, out Lanes512 b1, out Lanes512 b2, out Lanes512 b3)
    {
        Vector512<uint> w0 = Vector512.Load(source);
        // Sign to bit 31; the arithmetic shift puts exponent and mantissa at bits 20 to 26, the mask drops the copies.
        Vector512<int> mask = Vector512.Create(unchecked((int)0x87F0_0000));
        b0 = new((((w0 << 24).AsInt32() >> 4) & mask).AsSingle());
        b1 = new((((w0 << 16).AsInt32() >> 4) & mask).AsSingle());
        b2 = new((((w0 << 8).AsInt32() >> 4) & mask).AsSingle());
        b3 = new(((w0.AsInt32() >> 4) & mask).AsSingle());
    }

    // Nearest even by integer arithmetic; a NaN gets its quiet bit, so that no carry turns it into an infinity.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> RoundToBFloat16(Vector512<float> value)
    {
        Vector512<uint> bits = value.AsUInt32();
        Vector512<uint> rounded = (bits + Vector512.Create(0x7FFFu) + ((bits >> 16) & Vector512<uint>.One)) >> 16;
        Vector512<uint> quiet = ((bits >> 16) & Vector512.Create(0x8000u)) | Vector512.Create(0x7FC0u);
        return Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), rounded, quiet);
    }
}
