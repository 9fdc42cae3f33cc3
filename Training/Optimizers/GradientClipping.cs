using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>What became of a gradient.</summary>
/// <param name="Norm">The norm over all parameters, before clipping.</param>
/// <param name="Coefficient">What gradients were multiplied by: 1 where they were short enough, 0 where the step is skipped.</param>
/// <param name="Skipped">Whether the norm is NaN or infinite: nothing was changed and the step must not be taken.</param>
public readonly record struct ClipResult(double Norm, double Coefficient, bool Skipped);

/// <summary>Clips the global norm of gradients (Pascanu and others, arXiv:1211.5063).</summary>
public static class GradientClipping
{
    /// <summary>√(Σ g²) over all tensors, in float64 and in their order.</summary>
    public static double Norm(IOptimizerKernels kernels, IEnumerable<Tensor> gradients)
    {
        double sum = 0;
        foreach (Tensor gradient in gradients)
            sum += kernels.SumOfSquares(gradient);
        return Math.Sqrt(sum);
    }

    /// <summary>
    /// Multiplies all gradients by min(1, <paramref name="maximum"/> / (norm + 1e-6)). A norm that is not finite leaves them alone.
    /// </summary>
    public static ClipResult Clip(IOptimizerKernels kernels, IReadOnlyCollection<Tensor> gradients, double maximum)
    {
        double norm = Norm(kernels, gradients);
        if (!double.IsFinite(norm))
            return new ClipResult(norm, 0, true);
        double coefficient = Math.Min(1, maximum / (norm + 1e-6));
        if (coefficient < 1)
            foreach (Tensor gradient in gradients)
                kernels.Scale(gradient, coefficient);
        return new ClipResult(norm, coefficient, false);
    }
}
