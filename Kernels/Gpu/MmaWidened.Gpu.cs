using ILGPU;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// E4M3 products where bfloat16 alone has an instruction (sm_80): every code is exact in bfloat16, and the product of 32 columns
/// becomes two of 16.
/// </summary>
internal readonly struct WidenedMma<TMma> : IMma where TMma : struct, IMma
{
    public static ArrayView<uint> Scratch(ArrayView<uint> shared) => TMma.Scratch(shared);

    public static Accumulator BFloat16(Accumulator sums, Fragments low, Fragments high, FragmentB b, ArrayView<uint> scratch) =>
        TMma.BFloat16(sums, low, high, b, scratch);

    public static Accumulator BFloat16(Accumulator sums, Fragments a, FragmentB b, ArrayView<uint> scratch) =>
        TMma.BFloat16(sums, a, b, scratch);

    // A lane's word has four neighbouring columns. Two of them take the places of a step's first half and two those of the second
    // half: any order of a step's columns is a right one, as long as both operands have it.
    public static Accumulator Float8(Accumulator sums, Fragments a, FragmentB b, ArrayView<uint> scratch)
    {
        Fragments first = new() { R0 = Even(a.R0), R1 = Even(a.R1), R2 = Odd(a.R0), R3 = Odd(a.R1) };
        Fragments second = new() { R0 = Even(a.R2), R1 = Even(a.R3), R2 = Odd(a.R2), R3 = Odd(a.R3) };
        sums = TMma.BFloat16(sums, first, new FragmentB { R0 = Even(b.R0), R1 = Odd(b.R0) }, scratch);
        return TMma.BFloat16(sums, second, new FragmentB { R0 = Even(b.R1), R1 = Odd(b.R1) }, scratch);
    }

    public static uint Pack(float low, float high) => TMma.Pack(low, high);

    public static uint Widen(uint codes) => TMma.Widen(codes);

    // Bytes 0 and 2 lie where they are to be; so do 1 and 3 after a shift.
    private static uint Even(uint codes) => TMma.Widen(codes & 0x00FF00FFu);

    private static uint Odd(uint codes) => TMma.Widen((codes >> 8) & 0x00FF00FFu);
}
