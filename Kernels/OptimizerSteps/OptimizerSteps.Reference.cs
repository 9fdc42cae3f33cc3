using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class ReferenceKernels : IOptimizerKernels
{
    /// <inheritdoc/>
    public double SumOfSquares(Tensor x)
    {
        double sum = 0;
        foreach (double value in x.Span<double>())
            sum += value * value;
        return sum;
    }

    /// <inheritdoc/>
    public void Scale(Tensor x, double factor)
    {
        foreach (ref double value in x.Span<double>())
            value *= factor;
    }

    /// <inheritdoc/>
    public void AdamW(Tensor gradient, in AdamWStep step, Tensor weight, Tensor mean, Tensor variance)
    {
        OptimizerTensors.Check(DType.F64, weight.Count, gradient, weight, mean, variance);
        Span<double> g = gradient.Span<double>(), w = weight.Span<double>(), m = mean.Span<double>(), v = variance.Span<double>();
        for (int i = 0; i < w.Length; i++)
        {
            m[i] = step.Beta1 * m[i] + (1 - step.Beta1) * g[i];
            v[i] = step.Beta2 * v[i] + (1 - step.Beta2) * g[i] * g[i];
            w[i] = w[i] * step.Decay - step.StepSize * m[i] / (Math.Sqrt(v[i]) * step.RootCorrection + step.Epsilon);
        }
    }

    /// <inheritdoc/>
    public void NesterovMomentum(Tensor gradient, double momentum, Tensor average, Tensor update, long offset)
    {
        OptimizerTensors.Check(DType.F64, gradient.Count, gradient, average);
        OptimizerTensors.CheckPart(DType.F64, update, offset, gradient.Count);
        Span<double> g = gradient.Span<double>(), m = average.Span<double>(), u = update.Span<double>()[(int)offset..];
        for (int i = 0; i < g.Length; i++)
        {
            m[i] = momentum * m[i] + (1 - momentum) * g[i];
            u[i] = (1 - momentum) * g[i] + momentum * m[i];
        }
    }

    /// <inheritdoc/>
    public void DecayedStep(Tensor update, long offset, double decay, double step, Tensor weight)
    {
        OptimizerTensors.Check(DType.F64, weight.Count, weight);
        OptimizerTensors.CheckPart(DType.F64, update, offset, weight.Count);
        Span<double> o = update.Span<double>()[(int)offset..], w = weight.Span<double>();
        for (int i = 0; i < w.Length; i++)
            w[i] = decay * w[i] - step * o[i];
    }
}
