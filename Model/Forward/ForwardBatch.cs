using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>Consecutive tokens of one sequence among the rows of a batch, and the sequence's cache.</summary>
/// <param name="Rows">The rows and the position of the first.</param>
/// <param name="Cache">The keys and values of the sequence.</param>
/// <param name="RotaryPosition">The position of the first row for the rotary embedding, usually that in the sequence.</param>
public readonly record struct BatchSequence(SequenceRows Rows, KvCache Cache, int RotaryPosition);

/// <summary>
/// The tokens of one forward pass: rows of one or of several sequences. A row's result is the same whatever else is in
/// the batch. The object is meant to be reused.
/// </summary>
public sealed class ForwardBatch
{
    private BatchSequence[] _sequences = new BatchSequence[4];
    private int[] _ids = new int[64];
    private int[] _positions = new int[64];
    private int _sequenceCount;

    /// <summary>The number of rows.</summary>
    public int Count { get; private set; }

    /// <summary>Where the one row's token and position are on the device; null where the host sends them.</summary>
    public DecodeState? State { get; private set; }

    /// <summary>The sequences, in the order of their rows.</summary>
    public ReadOnlySpan<BatchSequence> Sequences => _sequences.AsSpan(0, _sequenceCount);

    /// <summary>The token of each row.</summary>
    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    /// <summary>Takes out everything.</summary>
    public void Clear() => (Count, _sequenceCount, State) = (0, 0, null);

    /// <summary>Adds the next tokens of a sequence, from <paramref name="position"/> on.</summary>
    /// <param name="cache">The sequence's keys and values.</param>
    /// <param name="position">The position of the first token.</param>
    /// <param name="ids">The tokens.</param>
    /// <param name="rotaryPosition">Its position for the rotary embedding, where that counts otherwise; see <see cref="BatchSequence"/>.</param>
    public void Add(KvCache cache, int position, ReadOnlySpan<int> ids, int? rotaryPosition = null)
    {
        if (_sequenceCount == _sequences.Length)
            Array.Resize(ref _sequences, 2 * _sequenceCount);
        if (Count + ids.Length > _ids.Length)
        {
            int room = Math.Max(2 * _ids.Length, Count + ids.Length);
            Array.Resize(ref _ids, room);
            Array.Resize(ref _positions, room);
        }
        ids.CopyTo(_ids.AsSpan(Count));
        for (int i = 0; i < ids.Length; i++)
            _positions[Count + i] = (rotaryPosition ?? position) + i;
        _sequences[_sequenceCount++] = new BatchSequence(new SequenceRows(Count, ids.Length, position), cache, rotaryPosition ?? position);
        Count += ids.Length;
    }

    /// <summary>Makes the batch the next token of one sequence, its numbers kept on the device.</summary>
    /// <param name="cache">The sequence's keys and values.</param>
    /// <param name="position">The position of the token.</param>
    /// <param name="id">The token.</param>
    /// <param name="state">Where the device has both.</param>
    public void SetNext(KvCache cache, int position, int id, DecodeState state)
    {
        Clear();
        Add(cache, position, new ReadOnlySpan<int>(in id));
        state.Set(id, position);
        State = state;
        _sequences[0] = _sequences[0] with { Rows = new SequenceRows(0, 1, position, state.Positions) };
    }

    internal void WriteIds(Tensor target) => target.Write(Ids);

    internal void WritePositions(Tensor target) => target.Write<int>(_positions.AsSpan(0, Count));
}
