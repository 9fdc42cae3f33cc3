using System.Globalization;
using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>Rows of one kind of tensor, collected from pass to pass.</summary>
internal sealed class Recording(string name, DType type, int columns)
{
    private readonly List<byte[]> _pieces = [];

    public string Name => name;

    public DType Type => type;

    public int Columns => columns;

    /// <summary>The rows so far.</summary>
    public int Rows { get; private set; }

    public IReadOnlyList<byte[]> Pieces => _pieces;

    public void Add(Tensor rows)
    {
        _pieces.Add(rows.ToBytes());
        Rows += rows.Rows;
    }

    /// <summary>All numbers, [rows, columns].</summary>
    public double[] ToDoubles()
    {
        double[] values = new double[(long)Rows * columns];
        int at = 0;
        foreach (byte[] piece in _pieces)
        {
            if (type == DType.F64)
                foreach (double value in MemoryMarshal.Cast<byte, double>(piece))
                    values[at++] = value;
            else
                foreach (float value in MemoryMarshal.Cast<byte, float>(piece))
                    values[at++] = value;
        }
        return values;
    }
}

/// <summary>
/// Keeps what a forward pass computes: residual streams and router choices of every layer, and queries and keys of those
/// whose attention is wanted.
/// </summary>
internal sealed class TraceTap(int trunkLayers, IReadOnlyCollection<int> attentionLayers) : ForwardTap
{
    private readonly Dictionary<string, Recording> _byName = new(StringComparer.Ordinal);
    private readonly List<Recording> _recordings = [];
    private readonly Dictionary<int, (Recording Queries, Recording Keys)> _heads = [];

    /// <summary>What was kept, in the order in which it came.</summary>
    public IReadOnlyList<Recording> Recordings => _recordings;

    /// <inheritdoc/>
    public override void Residual(int layer, Tensor stream) =>
        Record(layer < 0 ? "embedding" : Prefix(layer) + "residual", stream);

    /// <inheritdoc/>
    public override void QueriesKeysValues(int layer, Tensor queries, Tensor keys, Tensor values)
    {
        if (!attentionLayers.Contains(layer))
            return;
        if (!_heads.TryGetValue(layer, out (Recording Queries, Recording Keys) heads))
            _heads[layer] = heads = (New("queries", queries), New("keys", keys));
        heads.Queries.Add(queries);
        heads.Keys.Add(keys);
    }

    /// <inheritdoc/>
    public override void Routed(int layer, Tensor probabilities, Tensor experts, Tensor weights)
    {
        Record(Prefix(layer) + "router.probabilities", probabilities);
        Record(Prefix(layer) + "router.experts", experts);
        Record(Prefix(layer) + "router.weights", weights);
    }

    /// <inheritdoc/>
    public override void Normed(Tensor states) => Record("states", states);

    /// <summary>Queries and keys of a layer, after norm and rotation.</summary>
    public (Recording Queries, Recording Keys) Heads(int layer) => _heads[layer];

    /// <summary>What the names of a layer's tensors begin with.</summary>
    public string Prefix(int layer) =>
        layer == trunkLayers ? "mtp." : string.Create(CultureInfo.InvariantCulture, $"layers.{layer}.");

    private static Recording New(string name, Tensor rows) => new(name, rows.Type, rows.Columns);

    private void Record(string name, Tensor rows)
    {
        if (!_byName.TryGetValue(name, out Recording? recording))
        {
            _byName[name] = recording = New(name, rows);
            _recordings.Add(recording);
        }
        recording.Add(rows);
    }
}
