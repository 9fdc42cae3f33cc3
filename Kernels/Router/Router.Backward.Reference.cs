using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void RouteBackward(Tensor probabilities, Tensor experts, Tensor weights, bool renormalize, Tensor dWeights, Tensor dLogits)
    {
        int count = probabilities.Columns, k = experts.Columns;
        for (int t = 0; t < probabilities.Rows; t++)
        {
            double* p = probabilities.Pointer<double>() + (long)t * count;
            double* dz = dLogits.Pointer<double>() + (long)t * count;
            int* chosen = experts.Pointer<int>() + (long)t * k;
            double* weight = weights.Pointer<double>() + (long)t * k;
            double* gradient = dWeights.Pointer<double>() + (long)t * k;
            double mean = 0;
            for (int slot = 0; slot < k; slot++)
                mean += weight[slot] * gradient[slot];
            for (int e = 0; e < count; e++)
                dz[e] = renormalize ? 0 : -p[e] * mean;
            for (int slot = 0; slot < k; slot++)
                dz[chosen[slot]] = weight[slot] * (gradient[slot] - mean);
        }
    }

    /// <inheritdoc/>
    public void CountLoads(Tensor offsets, Tensor counts)
    {
        for (int e = 0; e < counts.Count; e++)
            counts.Pointer<int>()[e] += offsets.Pointer<int>()[e + 1] - offsets.Pointer<int>()[e];
    }

    /// <inheritdoc/>
    public void RouterLosses(Tensor probabilities, Tensor lse, Tensor counts, float balance, float zLoss, Tensor losses, Tensor dLogits)
    {
        int count = probabilities.Columns, rows = probabilities.Rows;
        double[] loads = new double[count];
        double pairs = 0, balanceSum = 0, squares = 0;
        for (int e = 0; e < count; e++)
            pairs += counts.Pointer<int>()[e];
        for (int e = 0; e < count; e++)
            loads[e] = pairs == 0 ? 0 : counts.Pointer<int>()[e] / pairs;
        for (int t = 0; t < rows; t++)
        {
            double* p = probabilities.Pointer<double>() + (long)t * count;
            double logSum = lse.Pointer<double>()[t], mean = 0;
            for (int e = 0; e < count; e++)
                mean += loads[e] * p[e];
            for (int e = 0; e < count; e++)
                dLogits.Pointer<double>()[(long)t * count + e] +=
                    p[e] * ((double)balance * count * (loads[e] - mean) + 2.0 * zLoss * logSum) / rows;
            balanceSum += mean;
            squares += logSum * logSum;
        }
        losses.Pointer<double>()[0] = rows == 0 ? 0 : (double)balance * count * balanceSum / rows;
        losses.Pointer<double>()[1] = rows == 0 ? 0 : zLoss * squares / rows;
    }
}
