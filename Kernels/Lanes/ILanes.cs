namespace Mellum2.Managed.Kernels;

/// <summary>
/// Sixteen float32 lanes and what kernels do with them. Kernels are written once against this interface; the JIT compiles
/// them for each implementation. Every member gives the same bits in every implementation.
/// </summary>
public unsafe interface ILanes<TSelf> where TSelf : struct, ILanes<TSelf>
{
    /// <summary>What runs, for people: <c>AVX-512</c> for example.</summary>
    static abstract string Name { get; }

    /// <summary>
    /// How many accumulators of sixteen lanes a kernel can keep in registers beside its operands; tile shapes follow it.
    /// </summary>
    static abstract int Accumulators { get; }

    /// <summary>Zeros.</summary>
    static abstract TSelf Zero { get; }

    /// <summary>The same number in every lane.</summary>
    static abstract TSelf Broadcast(float value);

    /// <summary>Sixteen consecutive numbers; no alignment needed.</summary>
    static abstract TSelf Load(float* source);

    /// <summary>Writes sixteen consecutive numbers.</summary>
    static abstract void Store(TSelf value, float* target);

    /// <summary>Lane-wise sum.</summary>
    static abstract TSelf operator +(TSelf a, TSelf b);

    /// <summary>Lane-wise difference.</summary>
    static abstract TSelf operator -(TSelf a, TSelf b);

    /// <summary>Lane-wise product.</summary>
    static abstract TSelf operator *(TSelf a, TSelf b);

    /// <summary>Lane-wise quotient.</summary>
    static abstract TSelf operator /(TSelf a, TSelf b);

    /// <summary>Lane-wise square root, correctly rounded; NaN below 0.</summary>
    static abstract TSelf Sqrt(TSelf value);

    /// <summary>a·b + c, rounded once.</summary>
    static abstract TSelf FusedMultiplyAdd(TSelf a, TSelf b, TSelf c);

    /// <summary>The larger one; b where a lane of either is NaN or both are zeros (as x86 <c>maxps</c> has it).</summary>
    static abstract TSelf Max(TSelf a, TSelf b);

    /// <summary>The smaller one; b where a lane of either is NaN or both are zeros.</summary>
    static abstract TSelf Min(TSelf a, TSelf b);

    /// <summary>2ⁿ for integers n in −127 … 128: the exponent field n + 127, so −127 gives 0 and 128 infinity.</summary>
    static abstract TSelf PowerOfTwo(TSelf n);

    /// <summary>Lane i is <paramref name="then"/>'s where a &lt; b, else <paramref name="otherwise"/>'s (NaN compares false).</summary>
    static abstract TSelf SelectLess(TSelf a, TSelf b, TSelf then, TSelf otherwise);

    /// <summary>
    /// Splits sixteen positive normal numbers: x = mantissa · 2^exponent with mantissa in [1, 2).
    /// </summary>
    static abstract void SplitExponent(TSelf x, out TSelf mantissa, out TSelf exponent);

    /// <summary>Σ lanes by the fixed tree: i + (i + 8), then 4, 2, 1.</summary>
    static abstract float Sum(TSelf value);

    /// <summary>The largest lane, by the same tree of <see cref="Max"/>.</summary>
    static abstract float MaxLane(TSelf value);

    /// <summary>Sixteen consecutive bfloat16 numbers, exactly.</summary>
    static abstract TSelf LoadBFloat16(ushort* source);

    /// <summary>Writes sixteen numbers as bfloat16, nearest even; NaN becomes a quiet NaN.</summary>
    static abstract void StoreBFloat16(TSelf value, ushort* target);

    /// <summary>Writes sixteen numbers as codes of <see cref="Engine.Float8E4M3.FromSingle"/>: nearest even, saturating.</summary>
    static abstract void StoreE4M3(TSelf value, byte* target);

    /// <summary>Writes sixteen numbers as codes of <see cref="Engine.Float8E5M2.FromSingle"/>: nearest even, saturating.</summary>
    static abstract void StoreE5M2(TSelf value, byte* target);

    /// <summary>The values of <see cref="StoreBFloat16"/>: nearest even; NaN becomes a quiet NaN.</summary>
    static abstract TSelf RoundBFloat16(TSelf value);

    /// <summary>The values of the codes of <see cref="StoreE4M3"/>; NaN stays NaN.</summary>
    static abstract TSelf RoundE4M3(TSelf value);

    /// <summary>The values of the codes of <see cref="StoreE5M2"/>; NaN stays NaN.</summary>
    static abstract TSelf RoundE5M2(TSelf value);

    /// <summary>
    /// Sixteen dwords of two bfloat16 numbers each: the low halves and the high halves, exactly.
    /// </summary>
    static abstract void LoadBFloat16Pairs(uint* source, out TSelf low, out TSelf high);

    /// <summary>
    /// Sixteen dwords of two binary16 numbers each, times 2⁻¹¹² (<see cref="Engine.Float16.Scale"/>). Finite numbers only.
    /// </summary>
    static abstract void LoadFloat16Pairs(uint* source, out TSelf low, out TSelf high);

    /// <summary>
    /// Sixteen dwords of four E4M3 codes each, byte 0 to byte 3, times 2⁻¹²⁰ (<see cref="Engine.Float8E4M3.Scale"/>).
    /// Finite codes only.
    /// </summary>
    static abstract void LoadE4M3Quads(uint* source, out TSelf b0, out TSelf b1, out TSelf b2, out TSelf b3);
}
