using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>
/// A prompt's way through the model. Tensors: <c>ids</c> [T]; <c>embedding</c> and <c>layers.L.residual</c> [T, hidden];
/// <c>layers.L.router.probabilities</c> [T, experts], <c>.experts</c> and <c>.weights</c> [T, k]; <c>states</c> [T, hidden] after
/// the final norm; <c>logits</c> [T, vocabulary]; <c>layers.L.attention</c> [heads, T, T] where asked for. With an MTP head
/// <c>mtp.…</c> likewise, [T − 1, …]: row i takes the state of token i and the token i + 1, and its logits are those of token i + 2.
/// </summary>
internal sealed class Trace : IDisposable
{
    private const int Chunk = 256;
    private const int LogitRows = 16;
    private readonly MellumModel _model;
    private readonly int[] _ids;
    private readonly int[] _attentionLayers;
    private readonly TraceTap _tap;
    private readonly Tensor _states;
    private readonly Tensor? _mtpStates;

    private Trace(MellumModel model, int[] ids, int[] attentionLayers)
    {
        (_model, _ids, _attentionLayers) = (model, ids, attentionLayers);
        _tap = new TraceTap(model.Configuration.LayerCount, attentionLayers);
        int hidden = model.Configuration.HiddenSize;
        DType type = model.Context.Kernels.ActivationType;
        _states = Tensor.Allocate(type, new Shape(ids.Length, hidden), model.Context.Kernels.Device);
        _mtpStates = HasMtp ? Tensor.Allocate(type, new Shape(ids.Length - 1, hidden), model.Context.Kernels.Device) : null;
    }

    private bool HasMtp => _model.HasMtp && _ids.Length > 1;

    /// <summary>What <see cref="Save"/> writes.</summary>
    public IReadOnlyList<TensorDeclaration> Declarations
    {
        get
        {
            int vocabulary = _model.Configuration.VocabularySize, heads = _model.Configuration.HeadCount;
            List<TensorDeclaration> all = [new("ids", DType.I32, new Shape(_ids.Length))];
            foreach (Recording recording in _tap.Recordings)
                all.Add(new(recording.Name, recording.Type, new Shape(recording.Rows, recording.Columns)));
            foreach (int layer in Attentions())
            {
                int rows = _tap.Heads(layer).Queries.Rows;
                all.Add(new(_tap.Prefix(layer) + "attention", _states.Type, new Shape(heads, rows, rows)));
            }
            all.Add(new("logits", _states.Type, new Shape(_ids.Length, vocabulary)));
            if (_mtpStates is not null)
                all.Add(new("mtp.logits", _states.Type, new Shape(_ids.Length - 1, vocabulary)));
            return all;
        }
    }

    /// <summary>Runs the model over a prompt.</summary>
    /// <param name="model">The model; it has no tap before and after.</param>
    /// <param name="ids">The prompt.</param>
    /// <param name="attentionLayers">The layers whose attention is wanted.</param>
    /// <param name="cancel">Ends between passes.</param>
    public static Trace Run(MellumModel model, int[] ids, int[] attentionLayers, CancellationToken cancel)
    {
        Trace trace = new(model, ids, attentionLayers);
        model.Context.Tap = trace._tap;
        try
        {
            using KvCache cache = model.CreateCache(ids.Length, Chunk);
            for (int position = 0; position < ids.Length; position += Chunk)
            {
                cancel.ThrowIfCancellationRequested();
                trace.Pass(cache, position, Math.Min(Chunk, ids.Length - position));
            }
            return trace;
        }
        catch
        {
            trace.Dispose();
            throw;
        }
        finally
        {
            model.Context.Tap = null;
        }
    }

    /// <summary>Writes the file.</summary>
    public void Save(string path, CancellationToken cancel)
    {
        using SafetensorsWriter writer = new(path, Declarations);
        writer.Write("ids", MemoryMarshal.AsBytes<int>(_ids));
        foreach (Recording recording in _tap.Recordings)
            foreach (byte[] piece in recording.Pieces)
                writer.Write(recording.Name, piece);
        foreach (int layer in Attentions())
            SaveAttention(writer, layer, cancel);
        SaveLogits(writer, "logits", _states, cancel);
        if (_mtpStates is not null)
            SaveLogits(writer, "mtp.logits", _mtpStates, cancel);
        writer.Complete();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _states.Dispose();
        _mtpStates?.Dispose();
    }

    // A prompt of one token does not reach the MTP head.
    private IEnumerable<int> Attentions() => _attentionLayers.Where(layer => layer < _model.Configuration.LayerCount || HasMtp);

    private void Pass(KvCache cache, int position, int count)
    {
        ForwardBatch batch = new();
        batch.Add(cache, position, _ids.AsSpan(position, count));
        Tensor states = _model.Trunk(batch, wantBeforeNorm: true, out Tensor? beforeNorm);
        states.CopyRowsTo(0, count, _states, position);
        int known = Math.Min(count, _ids.Length - 1 - position);
        if (_mtpStates is not null && known > 0)
        {
            Tensor source = _model.Configuration.MtpTakesNormedState ? states : beforeNorm!;
            using Tensor input = Tensor.Allocate(source.Type, new Shape(known, source.Columns), source.Device);
            source.CopyRowsTo(0, known, input, 0);
            batch.Clear();
            batch.Add(cache, position, _ids.AsSpan(position + 1, known));
            Tensor output = _model.Mtp(batch, input);
            cache.SetMtpLength(position + known, position + known);
            output.CopyRowsTo(0, known, _mtpStates, position);
            _model.Context.Workspace.Release(output);
        }
        _model.Context.Workspace.Release(states);
        _model.Context.Workspace.Release(beforeNorm!);
    }

    private void SaveAttention(SafetensorsWriter writer, int layer, CancellationToken cancel)
    {
        ModelConfiguration configuration = _model.Configuration;
        AttentionKind kind = layer < configuration.LayerCount ? configuration.LayerTypes[layer] : configuration.MtpLayerType;
        (Recording queries, Recording keys) = _tap.Heads(layer);
        AttentionProbabilities attention = new(configuration, kind, _model.CacheFormat, queries.ToDoubles(), keys.ToDoubles(), queries.Rows);
        float[] narrow = new float[queries.Rows];
        for (int head = 0; head < configuration.HeadCount; head++)
        {
            for (int row = 0; row < queries.Rows; row++)
            {
                cancel.ThrowIfCancellationRequested();
                ReadOnlySpan<double> probabilities = attention.Row(head, row);
                for (int i = 0; i < narrow.Length; i++)
                    narrow[i] = (float)probabilities[i];
                writer.Write(
                    _tap.Prefix(layer) + "attention",
                    _states.Type == DType.F64 ? MemoryMarshal.AsBytes(probabilities) : MemoryMarshal.AsBytes<float>(narrow));
            }
        }
    }

    private void SaveLogits(SafetensorsWriter writer, string name, Tensor states, CancellationToken cancel)
    {
        for (int row = 0; row < states.Rows; row += LogitRows)
        {
            cancel.ThrowIfCancellationRequested();
            Tensor logits = _model.Logits(states, row, Math.Min(LogitRows, states.Rows - row));
            writer.Write(name, logits.ToBytes());
            _model.Context.Workspace.Release(logits);
        }
    }
}
