namespace Mellum2.Managed.Model.Tests;

/// <summary>The χ² distribution.</summary>
internal static class ChiSquare
{
    /// <summary>P(X ≥ statistic) with the given degrees of freedom, by Wilson and Hilferty's cube-root approximation.</summary>
    public static double UpperTail(double statistic, int degrees)
    {
        double variance = 2.0 / (9 * degrees);
        double z = (Math.Cbrt(statistic / degrees) - (1 - variance)) / Math.Sqrt(variance);
        return 0.5 * Erfc(z / Math.Sqrt(2));
    }

    // Numerical Recipes' rational Chebyshev form of erfc; relative error below 1.2e-7.
    private static double Erfc(double x)
    {
        double t = 1 / (1 + 0.5 * Math.Abs(x));
        double polynomial = -1.26551223 + t * (1.00002368 + t * (0.37409196 + t * (0.09678418 + t * (-0.18628806
            + t * (0.27886807 + t * (-1.13520398 + t * (1.48851587 + t * (-0.82215223 + t * 0.17087277))))))));
        double result = t * Math.Exp(-x * x + polynomial);
        return x >= 0 ? result : 2 - result;
    }
}
