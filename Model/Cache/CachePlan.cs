using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// What the keys and values of one sequence need. A layer with full attention keeps every position; a sliding layer keeps a
/// ring of W − 1 old positions and the new ones of the largest pass (a prefill chunk, or a token and its drafts), so that
/// nothing a query still sees is overwritten and a rejected draft leaves no gap.
/// </summary>
/// <param name="Configuration">The model.</param>
/// <param name="Format">F64, F32 or BF16.</param>
/// <param name="Context">The positions that the sequence may have.</param>
/// <param name="Chunk">The most tokens that one pass adds.</param>
/// <param name="WithMtp">Whether the MTP head's layer has keys and values too.</param>
public sealed record CachePlan(ModelConfiguration Configuration, DType Format, int Context, int Chunk, bool WithMtp)
{
    /// <summary>The layers: the trunk's and, last, the MTP head's.</summary>
    public int LayerCount => Configuration.LayerCount + (WithMtp ? 1 : 0);

    /// <summary>The positions that a ring has room for; no ring is longer than the context.</summary>
    public int RingSlots => KvLayer.RoundUp(Math.Min(Context, checked(Configuration.SlidingWindow - 1 + Chunk)));

    /// <summary>The bytes at the full context.</summary>
    public long Bytes => BytesAt(Context);

    /// <summary>Whether layer <paramref name="index"/> keeps a ring.</summary>
    public bool IsRing(int index) => KindOf(index) == AttentionKind.Sliding && RingSlots < KvLayer.RoundUp(Context);

    /// <summary>The bytes when <paramref name="positions"/> are filled (full layers grow, rings do not).</summary>
    public long BytesAt(int positions)
    {
        long bytes = 0;
        for (int i = 0; i < LayerCount; i++)
        {
            int slots = IsRing(i) ? RingSlots : Math.Min(positions, Context);
            bytes += KvLayer.BytesFor(Configuration.KeyValueHeadCount, Configuration.HeadSize, Format, slots);
        }
        return bytes;
    }

    private AttentionKind KindOf(int index) =>
        index < Configuration.LayerCount ? Configuration.LayerTypes[index] : Configuration.MtpLayerType;
}
