using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Mellum2.Managed.Engine;

/// <summary>How many bits the vectors of a SIMD kernel have. All widths give the same results, bit for bit.</summary>
public enum VectorWidth
{
    /// <summary>The widest that the processor has.</summary>
    Auto,

    /// <summary>No vectors.</summary>
    Scalar,

    /// <summary>128 bits.</summary>
    V128,

    /// <summary>256 bits.</summary>
    V256,

    /// <summary>512 bits.</summary>
    V512,
}

/// <summary>What the processor offers.</summary>
public static class Processor
{
    /// <summary>The widest vectors that run as such.</summary>
    public static VectorWidth WidestVectors =>
        Vector512.IsHardwareAccelerated && Avx512F.IsSupported ? VectorWidth.V512
        : Vector256.IsHardwareAccelerated && Fma.IsSupported ? VectorWidth.V256
        : Vector128.IsHardwareAccelerated ? VectorWidth.V128
        : VectorWidth.Scalar;

    /// <summary>The instruction sets that the kernels can use, for <c>doctor</c>.</summary>
    public static IEnumerable<string> InstructionSets()
    {
        if (Fma.IsSupported) yield return "FMA";
        if (Avx2.IsSupported) yield return "AVX2";
        if (Avx512F.IsSupported) yield return "AVX-512F";
        if (Avx512BW.IsSupported) yield return "AVX-512BW";
        if (Avx512Vbmi.IsSupported) yield return "AVX-512VBMI";
        if (AvxVnni.IsSupported) yield return "AVX-VNNI";
        if (System.Runtime.Intrinsics.Arm.AdvSimd.IsSupported) yield return "AdvSimd";
    }
}
