using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>
/// Measures how well a model predicts sequences of tokens, by the forward pass of inference: weights stay in the format of their
/// file, and logits exist for a few rows at a time. Sequences are put together into passes as long as they are short; a long
/// one runs in several.
/// </summary>
internal sealed class Evaluator(Mellum mellum, CancellationToken cancel) : IDisposable
{
    private const long LogitBytes = 32L << 20;
    private static readonly int s_tokensAtOnce = new GenerationOptions().Chunk;

    private readonly MellumModel _model = mellum.Model;
    private readonly ForwardBatch _batch = new();
    private readonly ForwardBatch _mtpBatch = new();
    private readonly List<KvCache> _caches = [];
    private readonly List<int> _labels = [];
    private readonly List<int> _mtpLabels = [];

    /// <summary>What was found so far; complete after <see cref="Flush"/>.</summary>
    public EvaluationResult Sums { get; private set; }

    /// <summary>The bytes of the tokens that the trunk's rows predict, control tokens by their text.</summary>
    public long Bytes { get; private set; }

    /// <summary>Adds a sequence; every token but the first is predicted from those before it.</summary>
    public void Add(ReadOnlySpan<int> ids)
    {
        int rows = ids.Length - 1;
        if (rows < 1)
            return;
        if (_batch.Count + rows > s_tokensAtOnce)
            Flush();
        KvCache cache = _model.CreateCache(rows, Math.Min(rows, s_tokensAtOnce));
        _caches.Add(cache);
        for (int first = 0, count; first < rows; first += count)
        {
            count = Math.Min(rows - first, s_tokensAtOnce);
            _batch.Add(cache, first, ids.Slice(first, count));
            // Row i of the head takes state i and token i + 1 and predicts token i + 2, which the last row does not have.
            _mtpBatch.Add(cache, first, ids.Slice(first + 1, count));
            for (int i = first; i < first + count; i++)
            {
                _labels.Add(ids[i + 1]);
                _mtpLabels.Add(i + 2 < ids.Length ? ids[i + 2] : -1);
            }
            if (first + count < rows)
                Run();
        }
    }

    /// <summary>Runs what has been added and not been run.</summary>
    public void Flush()
    {
        Run();
        foreach (KvCache cache in _caches)
            cache.Dispose();
        _caches.Clear();
    }

    /// <inheritdoc/>
    public void Dispose() => _caches.ForEach(cache => cache.Dispose());

    private void Run()
    {
        cancel.ThrowIfCancellationRequested();
        if (_batch.Count == 0)
            return;
        IWorkspace workspace = _model.Context.Workspace;
        bool takesNormed = _model.Configuration.MtpTakesNormedState;
        Tensor states = _model.Trunk(_batch, wantBeforeNorm: _model.HasMtp && !takesNormed, out Tensor? beforeNorm);
        var (loss, rows, correct) = Score(states, _labels);
        Sums += new EvaluationResult(loss, rows, correct, 0, 0, 0);
        foreach (int label in _labels)
            Bytes += mellum.Tokenizer.Bytes(label).Length;
        if (_model.HasMtp)
        {
            Tensor mtpStates = _model.Mtp(_mtpBatch, beforeNorm ?? states);
            (loss, rows, correct) = Score(mtpStates, _mtpLabels);
            Sums += new EvaluationResult(0, 0, 0, loss, rows, correct);
            workspace.Release(mtpStates);
        }
        workspace.Release(states);
        if (beforeNorm is not null)
            workspace.Release(beforeNorm);
        _batch.Clear();
        _mtpBatch.Clear();
        _labels.Clear();
        _mtpLabels.Clear();
    }

    /// <summary>The sum of cross-entropies, and how often the most probable token is the label; a label of −1 does not count.</summary>
    private (double Loss, long Rows, long Correct) Score(Tensor states, List<int> labels)
    {
        IWorkspace workspace = _model.Context.Workspace;
        int atOnce = (int)Math.Clamp(LogitBytes / (sizeof(float) * (long)_model.Configuration.VocabularySize), 1, states.Rows);
        double loss = 0;
        long rows = 0, correct = 0;
        for (int first = 0; first < states.Rows; first += atOnce)
        {
            int count = Math.Min(atOnce, states.Rows - first);
            Tensor logits = _model.Logits(states, first, count), lse = workspace.Rent(logits.Type, new Shape(count, 1));
            _model.Context.Kernels.LogSumExp(logits, lse);
            for (int row = 0; row < count; row++)
            {
                int label = labels[first + row];
                if (label < 0)
                    continue;
                rows++;
                loss += Value(lse, row) - Value(logits, row * logits.Columns + label);
                correct += IndexOfMax(_model.ReadRow(logits, row)) == label ? 1 : 0;
            }
            workspace.Release(lse);
            workspace.Release(logits);
        }
        return (loss, rows, correct);
    }

    private static double Value(Tensor tensor, int index) => tensor.Type == DType.F64 ? Read<double>(tensor, index) : Read<float>(tensor, index);

    private static T Read<T>(Tensor tensor, int index) where T : unmanaged
    {
        T value = default;
        tensor.Read(new Span<T>(ref value), index);
        return value;
    }

    private static int IndexOfMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
            if (values[i] > values[best])
                best = i;
        return best;
    }
}
