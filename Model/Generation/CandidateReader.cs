using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// Distributions of rows of logits that a device has. With a sampler that needs no more, the device sends the largest logits and
/// those of the history, which penalties change and the host therefore judges; else the row. The distribution is the same.
/// </summary>
internal sealed class CandidateReader : IDisposable
{
    // The history's logits come in blocks of one size: staging memory is kept for each size.
    private const int Block = 4096;

    // Where the history has more than this part of the vocabulary, the whole row is as good.
    private const int RowPart = 4;

    private readonly MellumModel _model;
    private readonly ISampler _sampler;
    private readonly Tensor? _values, _numbers, _seen, _taken;
    private readonly int[] _mirror = [];
    private readonly int[] _ids = [];
    private readonly int[] _readNumbers = [];
    private readonly float[] _logits = [];
    private readonly int _block;
    private int _mirrored;

    /// <summary>A reader for one sequence; it allocates what <paramref name="sampler"/> makes use of.</summary>
    public CandidateReader(MellumModel model, ISampler sampler)
    {
        (_model, _sampler) = (model, sampler);
        Device device = model.Context.Kernels.Device;
        if (sampler.TopK == 0 || ReferenceEquals(device, Device.Cpu))
            return;
        int vocabulary = model.Configuration.VocabularySize;
        _values = Tensor.Allocate(DType.F32, new Shape(1, Candidates.Room), device);
        _numbers = Tensor.Allocate(DType.I32, new Shape(1, 1 + Candidates.Room), device);
        _readNumbers = new int[1 + Candidates.Room];
        int most = 0;
        if (sampler.UsesHistory)
        {
            most = vocabulary / RowPart;
            _block = Math.Min(Block, Math.Max(most, 1));
            most = (most + _block - 1) / _block * _block;
            _mirror = new int[most];
            _seen = Tensor.Allocate(DType.I32, new Shape(Math.Max(most, 1)), device);
            _taken = Tensor.Allocate(DType.F32, new Shape(Math.Max(most, 1)), device);
        }
        _logits = new float[most + Candidates.Room];
        _ids = new int[most + Candidates.Room];
    }

    /// <summary>Who makes the distributions.</summary>
    public ISampler Sampler => _sampler;

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
        if (count > _mirror.Length)
            return false;
        // The row stays as it is: log-probabilities are those of the model itself.
        Tensor one = _model.Context.Activation(1, logits.Columns);
        kernels.CopyRows(logits, row, one);
        if (count > 0)
        {
            Mirror(seen);
            kernels.TakeOut(one, _seen!, count, _taken!);
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
        int same = seen.CommonPrefixLength(_mirror.AsSpan(0, _mirrored));
        for (int i = same; i < seen.Length;)
        {
            // A prompt goes in blocks, a token of the output alone.
            int piece = seen.Length - i >= _block ? _block : 1;
            _seen!.Write(seen.Slice(i, piece), i);
            i += piece;
        }
        seen[same..].CopyTo(_mirror.AsSpan(same));
        _mirrored = seen.Length;
    }
}
