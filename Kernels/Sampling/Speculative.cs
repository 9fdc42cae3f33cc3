namespace Mellum2.Managed.Kernels;

/// <summary>
/// The acceptance rule of speculative decoding (Leviathan et al. 2023; Chen et al. 2023): with target p and draft q the
/// tokens that come out are distributed as p exactly.
/// </summary>
public static class Speculative
{
    /// <summary>min(1, p / q), the probability of keeping a drafted token; where q = 0: 1 if p &gt; 0, else 0.</summary>
    /// <param name="p">The token's probability in the target distribution.</param>
    /// <param name="q">The token's probability in the draft distribution.</param>
    public static double Acceptance(double p, double q) => p >= q ? (p > 0 ? 1 : 0) : p / q;

    /// <summary>Σ min(p, q): the probability that a draft is kept.</summary>
    /// <param name="p">[V].</param>
    /// <param name="q">[V].</param>
    public static double AcceptanceRate(ReadOnlySpan<float> p, ReadOnlySpan<float> q)
    {
        CheckLength(q.Length, p.Length, nameof(q));
        double rate = 0;
        for (int i = 0; i < p.Length; i++) rate += Math.Min(p[i], q[i]);
        return rate;
    }

    /// <summary>(p − q)₊ / Σ (p − q)₊: what the token after a rejection is drawn from; p itself where no p exceeds q.</summary>
    /// <param name="p">[V].</param>
    /// <param name="q">[V].</param>
    /// <param name="residual">[V]; it may be <paramref name="p"/> or <paramref name="q"/>.</param>
    public static void Residual(ReadOnlySpan<float> p, ReadOnlySpan<float> q, Span<float> residual)
    {
        CheckLength(q.Length, p.Length, nameof(q));
        CheckLength(residual.Length, p.Length, nameof(residual));
        double total = 0;
        for (int i = 0; i < p.Length; i++) total += Math.Max(0, (double)p[i] - q[i]);
        if (total == 0)
        {
            p.CopyTo(residual);
            return;
        }
        for (int i = 0; i < p.Length; i++) residual[i] = (float)(Math.Max(0, (double)p[i] - q[i]) / total);
    }

    /// <summary>
    /// Verifies K drafted tokens: draft i is kept if u[i] &lt; <see cref="Acceptance"/>(p[i, draft[i]], q[i, draft[i]]). At
    /// the first rejection the next token's distribution is that row's residual; with all kept it is p[K].
    /// </summary>
    /// <param name="p">[K + 1, V], the target's rows.</param>
    /// <param name="q">[K, V], the draft's rows.</param>
    /// <param name="draft">[K], the drafted tokens.</param>
    /// <param name="u">[K], uniform numbers in [0, 1).</param>
    /// <param name="next">[V], the distribution of the token after the kept ones.</param>
    /// <returns>How many drafts are kept.</returns>
    public static int Verify(ReadOnlySpan<float> p, ReadOnlySpan<float> q, ReadOnlySpan<int> draft, ReadOnlySpan<double> u, Span<float> next)
    {
        int vocabulary = next.Length, k = draft.Length;
        CheckLength(p.Length, (k + 1) * vocabulary, nameof(p));
        CheckLength(q.Length, k * vocabulary, nameof(q));
        CheckLength(u.Length, k, nameof(u));
        for (int i = 0; i < k; i++)
        {
            ReadOnlySpan<float> target = p.Slice(i * vocabulary, vocabulary), drafted = q.Slice(i * vocabulary, vocabulary);
            if (u[i] < Acceptance(target[draft[i]], drafted[draft[i]])) continue;
            Residual(target, drafted, next);
            return i;
        }
        p[(k * vocabulary)..].CopyTo(next);
        return k;
    }

    private static void CheckLength(int length, int expected, string name)
    {
        if (length != expected) throw new ArgumentException($"{length} numbers were given; expected {expected}.", name);
    }
}
