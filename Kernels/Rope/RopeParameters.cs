namespace Mellum2.Managed.Kernels;

/// <summary>
/// The frequencies of a rotary embedding. Plain: inv_freq_i = θ^(−2i/d). YaRN (Peng et al., arXiv 2309.00071, with the
/// correction range truncated to whole dimensions as the reference implementation has it): a ramp over i mixes these
/// with the interpolated ones, inv_freq_i / factor, and cos and sin are both multiplied by an attention factor.
/// </summary>
public sealed class RopeParameters
{
    private RopeParameters(double[] inverseFrequencies, double attentionFactor)
    {
        InverseFrequencies = inverseFrequencies;
        AttentionFactor = attentionFactor;
    }

    /// <summary>inv_freq_i, i = 0 … d/2 − 1, in float64.</summary>
    public IReadOnlyList<double> InverseFrequencies { get; }

    /// <summary>The factor of cos and sin; 1 for plain embeddings.</summary>
    public double AttentionFactor { get; }

    /// <summary>The width d of a head.</summary>
    public int Dimension => InverseFrequencies.Count * 2;

    /// <summary>The plain rotary embedding (Su et al., arXiv 2104.09864).</summary>
    /// <param name="dimension">The width d of a head, even.</param>
    /// <param name="theta">The base θ.</param>
    public static RopeParameters Plain(int dimension, double theta)
    {
        double[] frequencies = new double[dimension / 2];
        for (int i = 0; i < frequencies.Length; i++)
            frequencies[i] = Math.Pow(theta, -2.0 * i / dimension);
        return new RopeParameters(frequencies, 1);
    }

    /// <summary>YaRN: longer context by interpolating the low frequencies.</summary>
    /// <param name="dimension">The width d of a head, even.</param>
    /// <param name="theta">The base θ.</param>
    /// <param name="factor">How much longer than the original context.</param>
    /// <param name="originalLength">The context before extension.</param>
    /// <param name="betaFast">Turns within the original context above which a frequency stays.</param>
    /// <param name="betaSlow">Turns below which it is interpolated fully.</param>
    /// <param name="attentionFactor">The factor of cos and sin; null means 0.1·ln(factor) + 1.</param>
    public static RopeParameters Yarn(
        int dimension, double theta, double factor, double originalLength, double betaFast, double betaSlow, double? attentionFactor)
    {
        // The (fractional) index of the frequency that makes `turns` turns within the original context.
        double Index(double turns) => dimension * Math.Log(originalLength / (2 * Math.PI * turns)) / (2 * Math.Log(theta));
        double low = Math.Max(Math.Floor(Index(betaFast)), 0);
        double high = Math.Min(Math.Ceiling(Index(betaSlow)), dimension - 1);
        if (low == high)
            high += 0.001;
        double[] frequencies = new double[dimension / 2];
        for (int i = 0; i < frequencies.Length; i++)
        {
            double ramp = Math.Clamp((i - low) / (high - low), 0, 1);
            frequencies[i] = Math.Pow(theta, -2.0 * i / dimension) * (1 - ramp + ramp / factor);
        }
        return new RopeParameters(frequencies, attentionFactor ?? 0.1 * Math.Log(factor) + 1);
    }
}
