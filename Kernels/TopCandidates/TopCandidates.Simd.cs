using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    // The k largest so far, rising; kept, so that a call allocates nothing.
    private readonly float[] _largest = new float[Candidates.MostTopK];

    /// <inheritdoc cref="IForwardKernels.TopCandidates"/>
    public void TopCandidates(Tensor logits, int k, Tensor values, Tensor numbers)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, Candidates.MostTopK);
        int width = logits.Columns;
        for (int t = 0; t < logits.Rows; t++)
        {
            Span<int> target = numbers.Span<int>().Slice(t * (1 + Candidates.Room), 1 + Candidates.Room);
            target[0] = Candidate(
                logits.Span<float>().Slice(t * width, width), Math.Min(k, width), target[1..], values.Span<float>().Slice(t * Candidates.Room, Candidates.Room));
        }
    }

    /// <inheritdoc cref="IForwardKernels.TakeOut"/>
    public void TakeOut(Tensor row, Tensor ids, Tensor taken)
    {
        for (int i = 0; i < ids.Count; i++)
        {
            int id = ids.Pointer<int>()[i];
            if (id < 0)
                continue;
            ref float place = ref row.Pointer<float>()[id];
            taken.Pointer<float>()[i] = place;
            place = float.NegativeInfinity;
        }
    }

    private int Candidate(ReadOnlySpan<float> row, int k, Span<int> ids, Span<float> values)
    {
        foreach (float value in row)
            if (float.IsNaN(value))
                return -1;
        // Rising, so that the k-th largest stands first.
        Span<float> best = _largest.AsSpan(0, k);
        row[..k].CopyTo(best);
        best.Sort();
        foreach (float value in row[k..])
        {
            if (!(value > best[0]))
                continue;
            int at = 1;
            for (; at < k && best[at] < value; at++)
                best[at - 1] = best[at];
            best[at - 1] = value;
        }
        float least = Math.Max(best[0], float.MinValue);
        int count = 0;
        for (int v = 0; v < row.Length; v++)
        {
            if (row[v] < least)
                continue;
            if (count == Candidates.Room)
                return -1;
            // Behind all that are not smaller: equal ones keep rising tokens.
            int at = count++;
            for (; at > 0 && values[at - 1] < row[v]; at--)
                (values[at], ids[at]) = (values[at - 1], ids[at - 1]);
            (values[at], ids[at]) = (row[v], v);
        }
        return count;
    }
}
