using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void LogSumExp(Tensor logits, Tensor lse)
    {
        int width = logits.Columns;
        for (int t = 0; t < logits.Rows; t++)
        {
            double* row = logits.Pointer<double>() + (long)t * width;
            double maximum = double.NegativeInfinity, sum = 0;
            for (int v = 0; v < width; v++)
                maximum = Math.Max(maximum, row[v]);
            for (int v = 0; v < width; v++)
                sum += Math.Exp(row[v] - maximum);
            lse.Pointer<double>()[t] = double.IsInfinity(maximum) ? maximum : maximum + Math.Log(sum);
        }
    }
}
