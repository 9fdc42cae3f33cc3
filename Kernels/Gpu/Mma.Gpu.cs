using ILGPU;

namespace Mellum2.Managed.Kernels;

/// <summary>Four sums of a lane: with g = lane / 4 and t = lane mod 4, rows g, g, g + 8, g + 8 at columns 2t, 2t + 1 of 16 × 8.</summary>
internal struct Accumulator
{
    public float X;
    public float Y;
    public float Z;
    public float W;

    /// <summary>This times a factor for each column, plus the sums so far.</summary>
    public readonly Accumulator Scaled(float even, float odd, Accumulator sums) => new()
    {
        X = X * even + sums.X,
        Y = Y * odd + sums.Y,
        Z = Z * even + sums.Z,
        W = W * odd + sums.W,
    };
}

/// <summary>
/// A lane's part of four 8 × 8 matrices of 32-bit words' quarters (8 rows of 16 bytes): word t of row g of each. As the left
/// operand they are rows 0…7, rows 8…15, and both again for the second half of the columns.
/// </summary>
internal struct Fragments
{
    public uint R0;
    public uint R1;
    public uint R2;
    public uint R3;
}

/// <summary>A lane's part of the right operand: word t of output g in the first and in the second half of the columns.</summary>
internal struct FragmentB
{
    public uint R0;
    public uint R1;
}

/// <summary>
/// What a tensor core does for a warp: 16 × 8 sums at once. <see cref="CudaMma"/> is the instruction, <see cref="SimulatedMma"/>
/// the same on any device. All lanes of a group have to call it together.
/// </summary>
internal interface IMma
{
    /// <summary>What lanes exchange words through; called once in a kernel. <paramref name="shared"/> is returned where nothing is needed.</summary>
    static abstract ArrayView<uint> Scratch(ArrayView<uint> shared);

    /// <summary>
    /// sums + low·bᵀ + high·bᵀ, in this order, over 16 columns of bfloat16 (two times mma m16n8k16): two in a word, the first in
    /// the low bits.
    /// </summary>
    static abstract Accumulator BFloat16(Accumulator sums, Fragments low, Fragments high, FragmentB b, ArrayView<uint> scratch);

    /// <summary>sums + a·bᵀ over 16 columns of bfloat16.</summary>
    static abstract Accumulator BFloat16(Accumulator sums, Fragments a, FragmentB b, ArrayView<uint> scratch);

    /// <summary>sums + a·bᵀ over 32 columns of E4M3 (mma m16n8k32): four in a word, the first in the low bits.</summary>
    static abstract Accumulator Float8(Accumulator sums, Fragments a, FragmentB b, ArrayView<uint> scratch);

    /// <summary>Two numbers rounded to bfloat16, <paramref name="low"/> in the low bits.</summary>
    static abstract uint Pack(float low, float high);

    /// <summary>The two E4M3 codes in bits 0…7 and 16…23 as bfloat16, which is exact.</summary>
    static abstract uint Widen(uint codes);
}

/// <summary>A pair of float32 as the sum of two pairs of bfloat16: what is lost is at most 2⁻¹⁷ of each number.</summary>
internal struct SplitPair
{
    /// <summary>The nearest bfloat16 of each.</summary>
    public uint High;

    /// <summary>The nearest bfloat16 of what remains; 0 where the first is infinite or NaN, so that infinities stay.</summary>
    public uint Low;

    public static SplitPair Of<TMma>(float first, float second) where TMma : struct, IMma
    {
        uint high = TMma.Pack(first, second);
        float restFirst = first - Interop.IntAsFloat(high << 16), restSecond = second - Interop.IntAsFloat(high & 0xFFFF0000u);
        if ((high & 0x7F80u) == 0x7F80u)
            restFirst = 0;
        if ((high & 0x7F800000u) == 0x7F800000u)
            restSecond = 0;
        return new SplitPair { High = high, Low = TMma.Pack(restFirst, restSecond) };
    }
}

/// <summary>
/// How tiles get into shared memory and from there into lanes: <see cref="CudaTiles"/> in the background by cp.async and with
/// ldmatrix, <see cref="PlainTiles"/> anywhere. Copies by the tensor memory accelerator, and products that read both operands
/// from shared memory (wgmma of sm_90a), would be a third implementation together with a kernel of their own: there the unit is
/// a group of four warps, not a warp.
/// </summary>
internal interface ITiles
{
    /// <summary>The most words of shared memory that a kernel takes: 44 KiB.</summary>
    const int MostWords = 11264;

    /// <summary>The shared memory, aligned to 16 bytes; called once in a kernel.</summary>
    static abstract ArrayView<uint> Allocate();

    /// <summary>
    /// Begins to copy four words, aligned to 16 bytes, or to write zeros where they are not <paramref name="inside"/>.
    /// <paramref name="address"/> is that of <paramref name="source"/> on CUDA devices.
    /// </summary>
    static abstract void Copy(ArrayView<uint> shared, int place, ArrayView<uint> source, long address, long index, bool inside);

    /// <summary>Ends a batch of copies.</summary>
    static abstract void Commit();

    /// <summary>Waits for the calling thread's copies; a barrier has to follow.</summary>
    static abstract void WaitAll();

    /// <summary>As <see cref="WaitAll"/>, but the last batch may still be under way.</summary>
    static abstract void WaitAllButLast();

    /// <summary>
    /// Four matrices of 8 rows with 4 words, rows <paramref name="stride"/> words apart; matrix i begins at
    /// <paramref name="origin"/> + (i mod 2) · <paramref name="odd"/> + (i / 2) · <paramref name="upper"/>. For whole warps.
    /// </summary>
    static abstract Fragments Load(ArrayView<uint> shared, int origin, int stride, int odd, int upper);
}
