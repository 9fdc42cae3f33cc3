using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IOptimizerKernels
{
    /// <summary>
    /// Σ x². Products and sums are float64, over sixteen lanes and blocks of fixed size: squares of large float32 numbers do
    /// not overflow, and all widths and thread counts give the same bits. NaN and infinities stay what they are.
    /// </summary>
    double SumOfSquares(Tensor x);

    /// <summary>x ← factor·x.</summary>
    void Scale(Tensor x, double factor);

    /// <summary>
    /// A step of AdamW (Loshchilov and Hutter, arXiv:1711.05101) with t steps counted from 1:
    /// m ← β₁m + (1 − β₁)g, v ← β₂v + (1 − β₂)g², w ← w(1 − η·wd) − η·(m/(1 − β₁ᵗ)) / (√(v/(1 − β₂ᵗ)) + ε).
    /// </summary>
    /// <param name="gradient">g, as many elements as <paramref name="weight"/>.</param>
    /// <param name="step">The settings and t.</param>
    /// <param name="weight">w, updated.</param>
    /// <param name="mean">m, updated.</param>
    /// <param name="variance">v, updated.</param>
    void AdamW(Tensor gradient, in AdamWStep step, Tensor weight, Tensor mean, Tensor variance);

    /// <summary>
    /// Momentum as a moving average with Nesterov's look-ahead: m ← μm + (1 − μ)g, u = (1 − μ)g + μm.
    /// </summary>
    /// <param name="gradient">g.</param>
    /// <param name="momentum">μ.</param>
    /// <param name="average">m, updated.</param>
    /// <param name="update">Where u goes, among other updates.</param>
    /// <param name="offset">The first element of u in <paramref name="update"/>.</param>
    void NesterovMomentum(Tensor gradient, double momentum, Tensor average, Tensor update, long offset);

    /// <summary>w ← decay·w − step·o, the elements of o from <paramref name="offset"/> on.</summary>
    void DecayedStep(Tensor update, long offset, double decay, double step, Tensor weight);
}

/// <summary>The numbers of one step of AdamW.</summary>
/// <param name="LearningRate">η.</param>
/// <param name="Beta1">β₁, the decay of the mean.</param>
/// <param name="Beta2">β₂, the decay of the mean square.</param>
/// <param name="Epsilon">ε, added to the root.</param>
/// <param name="WeightDecay">wd, decoupled from the gradient.</param>
/// <param name="Count">t: 1 in the first step.</param>
public readonly record struct AdamWStep(double LearningRate, double Beta1, double Beta2, double Epsilon, double WeightDecay, long Count)
{
    /// <summary>η / (1 − β₁ᵗ).</summary>
    public double StepSize => LearningRate / (1 - Power(Beta1, Count));

    /// <summary>1 / √(1 − β₂ᵗ).</summary>
    public double RootCorrection => 1 / Math.Sqrt(1 - Power(Beta2, Count));

    /// <summary>1 − η·wd.</summary>
    public double Decay => 1 - LearningRate * WeightDecay;

    // By squaring: Math.Pow differs between machines in the last bit.
    private static double Power(double value, long exponent)
    {
        double result = 1;
        for (; exponent > 0; exponent >>= 1)
        {
            if ((exponent & 1) != 0)
                result *= value;
            value *= value;
        }
        return result;
    }
}

/// <summary>What every back end demands of the tensors of these operations.</summary>
internal static class OptimizerTensors
{
    /// <summary>Checks formats and counts.</summary>
    public static void Check(DType type, long count, params ReadOnlySpan<Tensor> tensors)
    {
        foreach (Tensor tensor in tensors)
            if (tensor.Type != type || tensor.Count != count)
                throw new ArgumentException($"A tensor of {count:N0} elements of {type} is expected, not {tensor}.");
    }

    /// <summary>Checks that a part lies within a tensor.</summary>
    public static void CheckPart(DType type, Tensor whole, long offset, long count)
    {
        if (whole.Type != type || offset < 0 || count > whole.Count - offset)
            throw new ArgumentException($"{whole} has no {count:N0} elements of {type} from {offset:N0} on.");
    }
}
