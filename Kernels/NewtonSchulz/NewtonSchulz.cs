using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IOptimizerKernels
{
    /// <summary>
    /// Newton-Schulz orthogonalisation (K. Jordan and others, "Muon", 2024) of each matrix U of a batch:
    /// X = U/(‖U‖_F + ε), transposed where it has more rows than columns, then for every step (a, b, c)
    /// P = XXᵀ, X ← aX + (bP + cP²)X; O is X, transposed back. A step maps a singular value s to as + bs³ + cs⁵ and leaves the
    /// singular vectors, so O comes near the polar factor of U. A zero matrix stays exactly zero; NaN or an infinity in U
    /// makes its matrix, and no other, NaN. Norms are float64.
    /// P and P² are symmetric: float32 back ends compute one triangle and mirror it, which gives the bits of the full product.
    /// Each element of a product is one chain of fused multiply-adds over rising k (it begins at aX in the last one). The error
    /// against float64 grows by the slope of the steps at small singular values: about 1e-5 of the largest element.
    /// </summary>
    /// <param name="u">U [A, B] or a batch [E, A, B].</param>
    /// <param name="steps">The coefficients of each step, such as <see cref="NewtonSchulzSteps.Quintic"/>.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="o">O, of the same shape; it may be <paramref name="u"/> itself.</param>
    void NewtonSchulz(Tensor u, ReadOnlySpan<NewtonSchulzStep> steps, double epsilon, Tensor o);
}

/// <summary>One step X ← aX + b(XXᵀ)X + c(XXᵀ)²X.</summary>
/// <param name="A">a, the factor of s.</param>
/// <param name="B">b, the factor of s³.</param>
/// <param name="C">c, the factor of s⁵.</param>
public readonly record struct NewtonSchulzStep(double A, double B, double C);

/// <summary>Coefficients that others have found.</summary>
public static class NewtonSchulzSteps
{
    private static readonly NewtonSchulzStep[] s_quintic =
    [
        new(4.0848, -6.8946, 2.9270), new(3.9505, -6.3029, 2.6377), new(3.7418, -5.5913, 2.3037),
        new(2.8769, -3.1427, 1.2046), new(2.8366, -3.0525, 1.2012),
    ];

    private static readonly NewtonSchulzStep[] s_simple = [.. Enumerable.Repeat(new NewtonSchulzStep(3.4445, -4.7750, 2.0315), 5)];

    private static readonly NewtonSchulzStep[] s_nearExact =
    [
        .. Enumerable.Repeat(new NewtonSchulzStep(3.4445, -4.7750, 2.0315), 8), .. Enumerable.Repeat(new NewtonSchulzStep(2, -1.5, 0.5), 2),
    ];

    /// <summary>Five steps with coefficients of their own each: singular values from 0.01 of the norm on end in 0.97 … 1.03 or so.</summary>
    public static ReadOnlySpan<NewtonSchulzStep> Quintic => s_quintic;

    /// <summary>Five times the same step, as <c>torch.optim.Muon</c> has it: singular values end in 0.68 … 1.14.</summary>
    public static ReadOnlySpan<NewtonSchulzStep> Simple => s_simple;

    /// <summary>
    /// Eight simple steps and two that converge: within 5e-4 of the polar factor for singular values from 1e-3 of the norm on.
    /// For tests.
    /// </summary>
    public static ReadOnlySpan<NewtonSchulzStep> NearExact => s_nearExact;

    /// <summary>The floating-point operations of the products of one matrix, symmetric ones counted in full: Σ 4m²n + 2m³, m ≤ n.</summary>
    public static double Operations(int rows, int columns, int steps)
    {
        double m = Math.Min(rows, columns), n = Math.Max(rows, columns);
        return steps * (4 * m * m * n + 2 * m * m * m);
    }
}
