using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void CrossEntropy(
        Tensor logits, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse, Tensor? dLogits)
    {
        int width = logits.Columns;
        CrossEntropyTargets.Check(targets, width);
        LogSumExp(logits, lse);
        double entropy = 0, squares = 0;
        for (int t = 0; t < logits.Rows; t++)
        {
            double* row = logits.Pointer<double>() + (long)t * width;
            double logSum = lse.Pointer<double>()[t];
            int target = targets.Pointer<int>()[t];
            bool counts = target != CrossEntropyParameters.Ignored;
            rowLosses.Pointer<double>()[t] = counts ? logSum - row[target] : 0;
            if (counts)
            {
                entropy += logSum - row[target];
                squares += logSum * logSum;
            }
            if (dLogits is null)
                continue;
            double factor = 1 + 2 * parameters.ZLoss * logSum;
            for (int v = 0; v < width; v++)
            {
                double gradient = parameters.Scale * (Math.Exp(row[v] - logSum) * factor - (v == target ? 1 : 0));
                dLogits.Pointer<double>()[(long)t * width + v] = counts ? gradient : 0;
            }
        }
        losses.Pointer<double>()[0] = parameters.Scale * entropy;
        losses.Pointer<double>()[1] = (double)parameters.Scale * parameters.ZLoss * squares;
    }

    /// <inheritdoc/>
    public void HeadCrossEntropy(
        Tensor states, WeightMatrix head, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse,
        Tensor? dStates, Tensor? dHead, Tensor? correct = null)
    {
        using Tensor logits = Tensor.Allocate(DType.F64, new Shape(states.Rows, head.Rows));
        MatMul(states, head, logits);
        for (int t = 0; t < (correct is null ? 0 : states.Rows); t++)
        {
            int best = 0, target = targets.Pointer<int>()[t];
            double* row = logits.Pointer<double>() + (long)t * head.Rows;
            for (int v = 1; v < head.Rows; v++)
                if (row[v] > row[best])
                    best = v;
            correct!.Pointer<int>()[t] = best == target ? 1 : 0;
        }
        CrossEntropy(logits, targets, parameters, losses, rowLosses, lse, logits);
        if (parameters.RoundGradients)
            RoundToBFloat16(logits, logits);
        if (dStates is not null)
            MatMulBackwardInput(logits, head, dStates);
        if (dHead is not null)
            MatMulBackwardWeight(logits, states, dHead);
    }
}
