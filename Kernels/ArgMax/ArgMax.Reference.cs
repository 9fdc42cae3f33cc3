using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void ArgMax(Tensor logits, Tensor ids)
    {
        int width = logits.Columns;
        for (int t = 0; t < logits.Rows; t++)
        {
            double* row = logits.Pointer<double>() + (long)t * width;
            int best = -1;
            bool hasNaN = false;
            for (int v = 0; v < width; v++)
            {
                hasNaN |= double.IsNaN(row[v]);
                if (row[v] > (best < 0 ? double.NegativeInfinity : row[best]))
                    best = v;
            }
            ids.Pointer<int>()[t] = hasNaN ? -1 : best;
        }
    }
}
