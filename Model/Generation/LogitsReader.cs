using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// What a sampler makes of rows of logits, of which a device sends no more than it takes: the token of the largest where that is the
/// choice; the largest logits and those of the history, which penalties change and the host therefore judges; else the row. The
/// results are the same.
/// </summary>
internal sealed class LogitsReader : IDisposable
{
    // The history goes there and its logits come in blocks of one size: staging memory is kept for each size.
    private const int Block = 4096;

    private const int NoToken = -1;

    // Fewer tokens than these are sent one by one.
    private const int FewTokens = 16;

    // Where the history has more than this part of the vocabulary, the whole row is as good.
    private const int RowPart = 4;

    private readonly MellumModel _model;
    private readonly ISampler _sampler;
    // The places of the history's tokens on the device are as many as they can ever be, so that what is queued does not change.
    private readonly Tensor? _values, _numbers, _seen, _taken;
    private readonly int[] _mirror = [];
    private readonly int[] _ids = [];
    private readonly int[] _readNumbers = [];
    private readonly float[] _logits = [];
    // The tokens of the largest logits; null where no device chooses them.
    private readonly int[]? _best;
    private readonly int _block;
    private int _mirrored;

    /// <summary>A reader for one sequence; it allocates what <paramref name="sampler"/> makes use of.</summary>
    /// <param name="model">Whose logits are read.</param>
    /// <param name="sampler">Who judges them.</param>
    /// <param name="rows">The most rows that logits have.</param>
    public LogitsReader(MellumModel model, ISampler sampler, int rows)
    {
        (_model, _sampler) = (model, sampler);
        Device device = model.Context.Kernels.Device;
        if (ReferenceEquals(device, Device.Cpu))
            return;
        if (sampler.IsArgMax)
            _best = new int[rows];
        if (sampler.TopK == 0)
            return;
        int most = 0;
        if (sampler.UsesHistory)
            (most, _block) = HistoryRoom(model.Configuration.VocabularySize);
        _mirror = new int[most];
        Array.Fill(_mirror, NoToken);
        _readNumbers = new int[1 + Candidates.Room];
        _logits = new float[most + Candidates.Room];
        _ids = new int[most + Candidates.Room];
        try
        {
            _values = Tensor.Allocate(DType.F32, new Shape(1, Candidates.Room), device);
            _numbers = Tensor.Allocate(DType.I32, new Shape(1, 1 + Candidates.Room), device);
            if (most == 0)
                return;
            _seen = Tensor.Allocate(DType.I32, new Shape(most), device);
            _taken = Tensor.Allocate(DType.F32, new Shape(most), device);
            Send(0, most);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The most bytes that a reader takes on a device, whatever the sampler.</summary>
    /// <param name="vocabulary">The tokens.</param>
    public static long MostDeviceBytes(int vocabulary) =>
        (2L * Candidates.Room + 1 + 2L * HistoryRoom(vocabulary).Most) * sizeof(float);

    /// <summary>Who makes the distributions.</summary>
    public ISampler Sampler => _sampler;

    /// <summary>Has the device choose for all rows of <paramref name="logits"/>, where it can; before <see cref="Choose"/>.</summary>
    /// <param name="logits">[rows, vocabulary].</param>
    /// <param name="state">Where the choice of the one row stays for the next pass, or null.</param>
    public void TakeBest(Tensor logits, DecodeState? state = null)
    {
        if (_best is null)
            return;
        if (state is null)
            _model.ReadArgMax(logits, _best);
        else
            _best[0] = state.Choose(_model.Context.Kernels, logits);
    }

    /// <summary>The one token of a greedy sampler for a row of the logits that <see cref="TakeBest"/> has seen.</summary>
    public int Choose(Tensor logits, int row, TokenHistory history) =>
        // Where the device found no choice the sampler looks at the row, and says why there is none.
        _best is not null && _best[row] >= 0 ? _best[row] : _sampler.Choose(_model.ReadRow(logits, row), history);

    /// <summary>Writes the distribution of a row, [vocabulary].</summary>
    public void Distribution(Tensor logits, int row, TokenHistory history, Span<float> probabilities)
    {
        if (_numbers is not null && Read(logits, row, history, out int count)
            && _sampler.TryDistribution(_logits.AsSpan(0, count), _ids.AsSpan(0, count), history, probabilities))
            return;
        _sampler.Distribution(_model.ReadRow(logits, row), history, probabilities);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _values?.Dispose();
        _numbers?.Dispose();
        _seen?.Dispose();
        _taken?.Dispose();
    }

    private bool Read(Tensor logits, int row, TokenHistory history, out int count)
    {
        IForwardKernels kernels = _model.Context.Kernels;
        ReadOnlySpan<int> seen = _seen is null ? default : history.Distinct;
        count = seen.Length;
        if (_seen is not null && count > _mirror.Length)
            return false;
        // The row stays as it is: log-probabilities are those of the model itself.
        Tensor one = _model.Context.Activation(1, logits.Columns);
        kernels.CopyRows(logits, row, one);
        if (_seen is not null)
        {
            Mirror(seen);
            kernels.TakeOut(one, _seen, _taken!);
        }
        kernels.TopCandidates(one, _sampler.TopK, _values!, _numbers!);
        _model.Context.Release(one);
        _numbers!.Read<int>(_readNumbers);
        int others = _readNumbers[0];
        if (others < 0)
            return false;
        for (int begin = 0; begin < count; begin += _block)
            _taken!.Read(_logits.AsSpan(begin, _block), begin);
        seen.CopyTo(_ids);
        _values!.Read(_logits.AsSpan(count, Candidates.Room));
        _readNumbers.AsSpan(1, others).CopyTo(_ids.AsSpan(count));
        count += others;
        return true;
    }

    /// <summary>Makes the device hold the history's tokens: what it held before is not sent again.</summary>
    private void Mirror(ReadOnlySpan<int> seen)
    {
        int same = seen.CommonPrefixLength(_mirror.AsSpan(0, _mirrored)), end = Math.Max(seen.Length, _mirrored);
        seen[same..].CopyTo(_mirror.AsSpan(same));
        _mirror.AsSpan(seen.Length..end).Fill(NoToken);
        _mirrored = seen.Length;
        // A prompt goes in blocks, tokens of the output alone.
        if (end - same > FewTokens)
            Send(same / _block * _block, end);
        else
            for (int i = same; i < end; i++)
                _seen!.Write<int>(_mirror.AsSpan(i, 1), i);
    }

    private void Send(int begin, int end)
    {
        for (; begin < end; begin += _block)
            _seen!.Write<int>(_mirror.AsSpan(begin, _block), begin);
    }

    private static (int Most, int Block) HistoryRoom(int vocabulary)
    {
        int most = Math.Max(vocabulary / RowPart, 1), block = Math.Min(Block, most);
        return ((most + block - 1) / block * block, block);
    }
}
