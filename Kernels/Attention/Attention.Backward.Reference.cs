using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void AttentionBackward(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor logSumExp, Tensor dOutput,
        Tensor dq, Tensor dk, Tensor dv)
    {
        cache.CheckWholeSequence(rows);
        int dimension = cache.Dimension, group = parameters.QueryHeads / cache.Heads, kvColumns = cache.Heads * dimension;
        long firstKey = (long)rows.FirstRow * kvColumns;
        new Span<double>(dk.Pointer<double>() + firstKey, rows.Count * kvColumns).Clear();
        new Span<double>(dv.Pointer<double>() + firstKey, rows.Count * kvColumns).Clear();
        for (int i = 0; i < rows.Count; i++)
        {
            for (int n = 0; n < parameters.QueryHeads; n++)
            {
                int head = n / group;
                long place = ((long)(rows.FirstRow + i) * parameters.QueryHeads + n) * dimension;
                double* query = q.Pointer<double>() + place;
                double* gradient = dOutput.Pointer<double>() + place;
                double* dQuery = dq.Pointer<double>() + place;
                double logSum = logSumExp.Pointer<double>()[place / dimension], delta = 0;
                for (int d = 0; d < dimension; d++)
                {
                    delta += gradient[d] * output.Pointer<double>()[place + d];
                    dQuery[d] = 0;
                }
                for (int j = parameters.Window == 0 ? 0 : Math.Max(0, i - parameters.Window + 1); j <= i; j++)
                {
                    double* dKey = dk.Pointer<double>() + firstKey + (long)j * kvColumns + head * dimension;
                    double* dValue = dv.Pointer<double>() + firstKey + (long)j * kvColumns + head * dimension;
                    double score = 0, dWeight = 0;
                    for (int d = 0; d < dimension; d++)
                    {
                        score += query[d] * ReadElement(cache.Keys, cache.KeyIndex(j, head, d));
                        dWeight += gradient[d] * ReadElement(cache.Values, cache.ValueIndex(j, head, d));
                    }
                    double p = Math.Exp(score * parameters.Scale - logSum), dScore = p * (dWeight - delta) * parameters.Scale;
                    for (int d = 0; d < dimension; d++)
                    {
                        dQuery[d] += dScore * ReadElement(cache.Keys, cache.KeyIndex(j, head, d));
                        dKey[d] += dScore * query[d];
                        dValue[d] += p * gradient[d];
                    }
                }
            }
        }
    }
}
