using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache)
    {
        for (int r = 0; r < rows.Count; r++)
        {
            int slot = (rows.Position + r) % cache.Slots;
            for (int head = 0; head < cache.Heads; head++)
            {
                for (int d = 0; d < cache.Dimension; d++)
                {
                    long source = (long)(rows.FirstRow + r) * k.Columns + head * cache.Dimension + d;
                    WriteElement(cache.Keys, cache.KeyIndex(slot, head, d), k.Pointer<double>()[source]);
                    WriteElement(cache.Values, cache.ValueIndex(slot, head, d), v.Pointer<double>()[source]);
                }
            }
        }
    }

    /// <inheritdoc/>
    public void Attention(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null)
    {
        int dimension = cache.Dimension, group = parameters.QueryHeads / cache.Heads;
        for (int r = 0; r < rows.Count; r++)
        {
            int position = rows.Position + r;
            int first = parameters.Window == 0 ? 0 : Math.Max(0, position - parameters.Window + 1);
            double[] p = new double[position - first + 1];
            for (int n = 0; n < parameters.QueryHeads; n++)
            {
                double* query = q.Pointer<double>() + (long)(rows.FirstRow + r) * q.Columns + n * dimension;
                double* target = output.Pointer<double>() + (long)(rows.FirstRow + r) * q.Columns + n * dimension;
                double maximum = double.NegativeInfinity;
                for (int j = first; j <= position; j++)
                {
                    double score = 0;
                    for (int d = 0; d < dimension; d++)
                        score += query[d] * ReadElement(cache.Keys, cache.KeyIndex(j % cache.Slots, n / group, d));
                    p[j - first] = score * parameters.Scale;
                    maximum = Math.Max(maximum, p[j - first]);
                }
                double sum = 0;
                for (int j = 0; j < p.Length; j++)
                    sum += p[j] = Math.Exp(p[j] - maximum);
                for (int d = 0; d < dimension; d++)
                {
                    double value = 0;
                    for (int j = first; j <= position; j++)
                        value += p[j - first] * ReadElement(cache.Values, cache.ValueIndex(j % cache.Slots, n / group, d));
                    target[d] = value / sum;
                }
                if (logSumExp is not null)
                    logSumExp.Pointer<double>()[(long)(rows.FirstRow + r) * parameters.QueryHeads + n] = maximum + Math.Log(sum);
            }
        }
    }

    private static double ReadElement(Tensor tensor, long index) => tensor.Type switch
    {
        DType.F64 => tensor.Pointer<double>()[index],
        DType.F32 => tensor.Pointer<float>()[index],
        _ => new BFloat16(tensor.Pointer<ushort>()[index]).ToSingle(),
    };

    private static void WriteElement(Tensor tensor, long index, double value)
    {
        switch (tensor.Type)
        {
            case DType.F64:
                tensor.Pointer<double>()[index] = value;
                break;
            case DType.F32:
                tensor.Pointer<float>()[index] = (float)value;
                break;
            default:
                tensor.Pointer<ushort>()[index] = BFloat16.FromSingle((float)value).Bits;
                break;
        }
    }
}
