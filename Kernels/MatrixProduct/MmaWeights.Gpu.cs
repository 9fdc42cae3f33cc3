namespace Mellum2.Managed.Kernels;

/// <summary>
/// How 16 outputs × 32 columns of weights become right operands of bfloat16 products. Which columns a lane's words stand for is
/// the format's own choice, as long as the activations follow it: every order of the 16 columns of a step is a right one.
/// </summary>
internal interface IMmaWeights
{
    /// <summary>The words of 32 columns.</summary>
    static abstract int StepWords { get; }

    /// <summary>The column within a step of 16 of the first number in the word that lane t holds for half 0 or 1.</summary>
    static abstract int Column(int t, int half);

    /// <summary>The words from a row of 64 columns to the next in shared memory: an odd number of 16 bytes, against bank conflicts.</summary>
    static abstract int BlockStride { get; }

    /// <summary>The same for rows of 32 columns.</summary>
    static abstract int StepStride { get; }

    /// <summary>Whether 32 columns are two loads of four matrices rather than one.</summary>
    static abstract bool LoadsTwice { get; }

    /// <summary>Outputs 0…7 for the first 16 columns.</summary>
    static abstract FragmentB First(Fragments first, Fragments second);

    /// <summary>Outputs 8…15 for the first 16 columns.</summary>
    static abstract FragmentB FirstUpper(Fragments first, Fragments second);

    /// <summary>Outputs 0…7 for the second 16 columns.</summary>
    static abstract FragmentB Second(Fragments first, Fragments second);

    /// <summary>Outputs 8…15 for the second 16 columns.</summary>
    static abstract FragmentB SecondUpper(Fragments first, Fragments second);
}

/// <summary>bfloat16 as it is: a matrix of 8 columns is half of a step.</summary>
internal readonly struct BFloat16MmaWeights : IMmaWeights
{
    public static int StepWords => 16;

    public static int BlockStride => 36;

    public static int StepStride => 20;

    public static bool LoadsTwice => true;

    public static int Column(int t, int half) => 2 * t + 8 * half;

    public static FragmentB First(Fragments first, Fragments second) => new() { R0 = first.R0, R1 = first.R1 };

    public static FragmentB FirstUpper(Fragments first, Fragments second) => new() { R0 = first.R2, R1 = first.R3 };

    public static FragmentB Second(Fragments first, Fragments second) => new() { R0 = second.R0, R1 = second.R1 };

    public static FragmentB SecondUpper(Fragments first, Fragments second) => new() { R0 = second.R2, R1 = second.R3 };
}

/// <summary>E4M3 codes, exact in bfloat16: a lane's word has four neighbouring columns, two for each half of a step.</summary>
internal readonly struct Float8MmaWeights<TMma> : IMmaWeights where TMma : struct, IMma
{
    public static int StepWords => 8;

    public static int BlockStride => 20;

    public static int StepStride => 12;

    public static bool LoadsTwice => false;

    public static int Column(int t, int half) => 4 * t + 2 * half;

    public static FragmentB First(Fragments first, Fragments second) => Decode(first.R0);

    public static FragmentB FirstUpper(Fragments first, Fragments second) => Decode(first.R2);

    public static FragmentB Second(Fragments first, Fragments second) => Decode(first.R1);

    public static FragmentB SecondUpper(Fragments first, Fragments second) => Decode(first.R3);

    private static FragmentB Decode(uint codes) => new()
    {
        R0 = TMma.Widen((codes & 0xFFu) | ((codes & 0xFF00u) << 8)),
        R1 = TMma.Widen(((codes >> 16) & 0xFFu) | ((codes >> 8) & 0xFF0000u)),
    };
}
