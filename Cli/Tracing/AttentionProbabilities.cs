using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>
/// The attention that the kernels never write down: softmax over the keys that a query sees of q·k/√head_dim, in float64.
/// Keys are rounded to the cache's format first, as the kernels read them.
/// </summary>
internal sealed class AttentionProbabilities
{
    private readonly ModelConfiguration _configuration;
    private readonly double[] _queries;
    private readonly double[] _keys;
    private readonly double[] _row;
    private readonly int _window;
    private readonly float _scale;

    /// <summary>Takes queries [T, heads · head_dim] and keys [T, KV heads · head_dim], after norm and rotation.</summary>
    public AttentionProbabilities(
        ModelConfiguration configuration, AttentionKind kind, DType cacheFormat, double[] queries, double[] keys, int rows)
    {
        (_configuration, _queries, _keys) = (configuration, queries, keys);
        _row = new double[rows];
        // The kernels take the scale as float32.
        _scale = (float)(1 / Math.Sqrt(configuration.HeadSize));
        _window = kind == AttentionKind.Sliding ? configuration.SlidingWindow : rows;
        if (cacheFormat == DType.BF16)
            for (int i = 0; i < keys.Length; i++)
                keys[i] = BFloat16.FromSingle((float)keys[i]).ToSingle();
    }

    /// <summary>The probabilities with which a query looks at each of the T tokens; valid until the next call.</summary>
    public ReadOnlySpan<double> Row(int head, int query)
    {
        int size = _configuration.HeadSize, keyHead = head / (_configuration.HeadCount / _configuration.KeyValueHeadCount);
        ReadOnlySpan<double> q = _queries.AsSpan((query * _configuration.HeadCount + head) * size, size);
        Array.Clear(_row);
        int first = Math.Max(0, query - _window + 1);
        double largest = double.NegativeInfinity;
        for (int j = first; j <= query; j++)
        {
            ReadOnlySpan<double> k = _keys.AsSpan((j * _configuration.KeyValueHeadCount + keyHead) * size, size);
            double sum = 0;
            for (int d = 0; d < size; d++)
                sum += q[d] * k[d];
            _row[j] = sum * _scale;
            largest = Math.Max(largest, _row[j]);
        }
        double total = 0;
        for (int j = first; j <= query; j++)
            total += _row[j] = Math.Exp(_row[j] - largest);
        for (int j = first; j <= query; j++)
            _row[j] /= total;
        return _row;
    }
}
