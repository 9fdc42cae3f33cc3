using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>A scale for a whole tensor and its inverse.</summary>
/// <param name="Value">What numbers are multiplied by before they are rounded.</param>
/// <param name="Inverse">1/<paramref name="Value"/>, rounded to float32: what products are multiplied by.</param>
public readonly record struct Float8Scale(float Value, float Inverse)
{
    /// <summary>
    /// The scale of current (not delayed) tensorwise scaling: FMAX/amax in float32, at most the largest float32; 1 where
    /// amax is 0, NaN or infinite. FMAX is 448 for E4M3 and 57,344 for E5M2.
    /// </summary>
    /// <param name="maximum">amax.</param>
    /// <param name="format">F8E4M3 or F8E5M2.</param>
    public static Float8Scale For(float maximum, DType format)
    {
        float largest = format switch
        {
            DType.F8E4M3 => Float8E4M3.MaxValue,
            DType.F8E5M2 => Float8E5M2.MaxValue,
            _ => throw new ArgumentException($"{format} is not an 8-bit float.", nameof(format)),
        };
        float scale = maximum > 0 && float.IsFinite(maximum) ? MathF.Min(largest / maximum, float.MaxValue) : 1;
        return new Float8Scale(scale, 1 / scale);
    }
}
