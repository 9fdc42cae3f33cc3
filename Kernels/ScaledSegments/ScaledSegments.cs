using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface ITrainingKernels
{
    /// <summary>
    /// Rounds rows to 8-bit floats with tensorwise current scaling and decodes them again; a segment, the rows of an expert,
    /// is a tensor with a scale s of its own: y[r] = decode(sat(x'[r]·s)), s = <see cref="Float8Scale.For"/> of its largest
    /// |x'|. Row r of x' is row order[r] / <paramref name="slots"/> of x, or row r itself where <paramref name="order"/> is
    /// null. The same bits in every back end (float64 numbers are rounded to float32 first).
    /// </summary>
    /// <param name="x">Numbers [T, K], or [R, K] without <paramref name="order"/>.</param>
    /// <param name="order">I32 [R], from <see cref="IForwardKernels.Dispatch"/>, or null.</param>
    /// <param name="slots">How many experts a token has.</param>
    /// <param name="offsets">I32 [S + 1]: the rows offsets[s] … offsets[s + 1] − 1 are segment s.</param>
    /// <param name="format">F8E4M3 or F8E5M2.</param>
    /// <param name="y">The values of the codes [R, K]; without <paramref name="order"/> it may be x.</param>
    /// <param name="inverses">F32 [S], written: what products of each segment are multiplied by; 1 for one without rows.</param>
    void RoundToFloat8(Tensor x, Tensor? order, int slots, Tensor offsets, DType format, Tensor y, Tensor inverses);

    /// <summary>
    /// Multiplies the rows of segment s by a[s]·b[s]: y[r] ← y[r]·a[s]·b[s]. The product of the factors may lie outside of
    /// float32 where the results do not.
    /// </summary>
    /// <param name="y">[R, N], updated.</param>
    /// <param name="offsets">I32 [S + 1].</param>
    /// <param name="a">F32 [S].</param>
    /// <param name="b">F32 [S].</param>
    void ScaleSegments(Tensor y, Tensor offsets, Tensor a, Tensor b);

    /// <summary>
    /// Adds scaled matrices: sums[i] += a[first + i]·b[first + i]·x_i, x_i being the i-th matrix of x. A factor may lie
    /// outside of float32 where the results do not.
    /// </summary>
    /// <param name="x">As many matrices as there are sums, one below the other [n·N, K].</param>
    /// <param name="a">F32, the factors of all segments.</param>
    /// <param name="b">F32, the other factors.</param>
    /// <param name="first">The segment of the first matrix.</param>
    /// <param name="sums">n matrices [N, K], added to.</param>
    void AddScaledSegments(Tensor x, Tensor a, Tensor b, int first, ReadOnlySpan<Tensor> sums);
}

/// <summary>
/// The product of two scales' inverses in two factors that float32 can hold: its fraction and half of its exponent are one,
/// the other half is the other. A number that is multiplied by both is rounded once.
/// </summary>
/// <param name="Fraction">The first factor.</param>
/// <param name="Power">The second one, a power of two.</param>
internal readonly record struct SplitFactor(float Fraction, float Power)
{
    /// <summary>a·b.</summary>
    public static SplitFactor Of(float a, float b)
    {
        double factor = (double)a * b;
        int half = Math.ILogB(factor) / 2;
        return new SplitFactor((float)Math.ScaleB(factor, -half), (float)Math.ScaleB(1, half));
    }
}

/// <summary>What the CPU back ends demand of segments.</summary>
internal static class SegmentTensors
{
    /// <summary>Checks that all segments lie within the rows and have a factor; returns the number of rows.</summary>
    public static int Check(Tensor rows, DType type, Tensor offsets, params ReadOnlySpan<Tensor> factors)
    {
        Span<int> bounds = offsets.Span<int>();
        foreach (Tensor factor in factors)
            if (factor.Type != DType.F32 || factor.Count != bounds.Length - 1)
                throw new ArgumentException($"{bounds.Length - 1} factors of F32 are expected, not {factor}.");
        if (rows.Type != type || rows.Rows < bounds[^1])
            throw new ArgumentException($"{bounds[^1]} rows of {type} are expected, not {rows}.");
        return bounds[^1];
    }

    /// <summary>Checks the two sides of a rounding; returns the number of rows.</summary>
    public static int CheckRounding(Tensor x, Tensor? order, Tensor offsets, Tensor y, DType type, Tensor inverses)
    {
        int rows = Check(y, type, offsets, inverses);
        if (x.Type != type || x.Columns != y.Columns || (order is null ? x.Rows < rows : order.Count < rows))
            throw new ArgumentException($"The rows of {x} cannot be rounded to {y}.");
        return rows;
    }

    /// <summary>Checks that the matrices of x are those of the sums.</summary>
    public static void CheckSums(Tensor x, DType type, Tensor a, Tensor b, int first, ReadOnlySpan<Tensor> sums)
    {
        foreach (Tensor sum in sums)
            if (x.Type != type || sum.Type != type || sum.Count * sums.Length != x.Count)
                throw new ArgumentException($"The {sums.Length} matrices of {x} cannot be added to {sum}.");
        if (first < 0 || a.Count < first + sums.Length || b.Count < first + sums.Length)
            throw new ArgumentException($"Factors {first} to {first + sums.Length} are not all in {a} and {b}.");
    }
}
