using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// The keys and values of one sequence, layer by layer, and how many positions hold. Positions behind
/// <see cref="Length"/> are leftovers that the next tokens overwrite: taking drafts back is setting a number.
/// </summary>
public sealed class KvCache : IDisposable
{
    // Unless all is allocated at once, full-attention layers begin with room for this many positions and grow by half.
    private const int InitialSlots = 1024;
    private readonly KvLayer[] _layers;
    private int _written;
    private int _mtpWritten;

    /// <summary>Allocates what the plan's rings need and the beginning of its growing layers.</summary>
    /// <param name="plan">What is needed.</param>
    /// <param name="shareLayers">
    /// Whether all layers write to the same memory, which has room for the whole context at once: for passes over whole sequences,
    /// which read what they have just written.
    /// </param>
    /// <param name="allocate">Where memory comes from; null for <see cref="Tensor.AllocateBytes"/>.</param>
    /// <param name="whole">
    /// Whether layers of full attention have room for the whole context at once: on a device memory that grows would be copied, and
    /// what is queued for a token would change.
    /// </param>
    public KvCache(CachePlan plan, bool shareLayers = false, TensorAllocator? allocate = null, bool whole = false)
    {
        Plan = plan;
        _layers = new KvLayer[plan.LayerCount];
        ModelConfiguration configuration = plan.Configuration;
        if (shareLayers)
        {
            Array.Fill(_layers, new KvLayer(configuration.KeyValueHeadCount, configuration.HeadSize, plan.Format, plan.Context, allocate));
            return;
        }
        try
        {
            for (int i = 0; i < _layers.Length; i++)
            {
                int slots = plan.IsRing(i) ? plan.RingSlots : whole ? plan.Context : Math.Min(plan.Context, InitialSlots);
                _layers[i] = new KvLayer(configuration.KeyValueHeadCount, configuration.HeadSize, plan.Format, slots, allocate);
            }
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What was planned.</summary>
    public CachePlan Plan { get; }

    /// <summary>The layers: the trunk's and, if planned, the MTP head's at the end.</summary>
    public IReadOnlyList<KvLayer> Layers => _layers;

    /// <summary>How many positions the trunk's layers hold.</summary>
    public int Length { get; private set; }

    /// <summary>How many positions the MTP layer holds: rows of a state and the token after it.</summary>
    public int MtpLength { get; private set; }

    /// <summary>The bytes held now.</summary>
    public long ByteLength => _layers.Distinct().Sum(layer => layer.ByteLength);

    /// <summary>Makes room for positions <see cref="Length"/> … + <paramref name="count"/> − 1 of the trunk.</summary>
    /// <exception cref="InvalidInputException">The context is not that long.</exception>
    public void Reserve(int count)
    {
        if (count > Plan.Context - Length)
            throw new InvalidInputException(
                $"The context has room for {Plan.Context} tokens; {Length} are taken and {count} more do not fit.");
        if (count > Plan.Chunk)
            throw new ArgumentOutOfRangeException(nameof(count), $"One pass adds at most {Plan.Chunk} tokens.");
        for (int i = 0; i < Plan.Configuration.LayerCount; i++)
            Grow(i, Length + count);
    }

    /// <summary>Makes room in the MTP layer for positions <paramref name="position"/> … + <paramref name="count"/> − 1.</summary>
    public void ReserveMtp(int position, int count) => Grow(_layers.Length - 1, position + count);

    /// <summary>Counts the positions that a pass has written.</summary>
    public void Advance(int count)
    {
        Length += count;
        _written = Math.Max(_written, Length);
    }

    /// <summary>Says that the MTP layer holds <paramref name="length"/> positions, and that drafts reached further.</summary>
    public void SetMtpLength(int length, int written)
    {
        MtpLength = length;
        _mtpWritten = Math.Max(_mtpWritten, Math.Max(length, written));
    }

    /// <summary>
    /// Whether the sequence can go back to its first <paramref name="length"/> positions exactly: every ring must still hold
    /// the W − 1 positions before. If not, the tokens have to be run again.
    /// </summary>
    public bool CanTruncateTo(int length) =>
        length <= Length && StillHeld(length, _written, 0, Plan.Configuration.LayerCount);

    /// <summary>Goes back to the first <paramref name="length"/> positions.</summary>
    public void Truncate(int length)
    {
        if (!CanTruncateTo(length))
            throw new InvalidOperationException($"A ring has overwritten what position {length} needs.");
        Length = length;
        int mtp = Math.Min(MtpLength, Math.Max(length - 1, 0));
        if (_layers.Length > Plan.Configuration.LayerCount && !StillHeld(mtp, _mtpWritten, Plan.Configuration.LayerCount, _layers.Length))
            mtp = 0;
        MtpLength = mtp;
    }

    /// <summary>Forgets everything; the memory stays.</summary>
    public void Clear() => (Length, MtpLength, _written, _mtpWritten) = (0, 0, 0, 0);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (KvLayer? layer in _layers)
            layer?.Dispose();
    }

    private bool StillHeld(int length, int written, int firstLayer, int endLayer)
    {
        int oldest = Math.Max(0, length - (Plan.Configuration.SlidingWindow - 1));
        for (int i = firstLayer; i < endLayer; i++)
            if (Plan.IsRing(i) && written - oldest > _layers[i].Slots)
                return false;
        return true;
    }

    private void Grow(int index, int positions)
    {
        if (!Plan.IsRing(index) && positions > _layers[index].Slots)
            _layers[index].Grow(Math.Min(Plan.Context, Math.Max(positions, _layers[index].Slots * 3 / 2)));
    }
}
