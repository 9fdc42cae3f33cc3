using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// The distribution of the next token: logits → penalties → temperature → top-k → top-p → min-p → softmax, in float64
/// from float32 logits. Nothing is allocated after construction; one object serves one sequence at a time.
/// The result is the list of the tokens that are left: in falling probability (lowest token first on a tie) when a filter
/// is on, in the order of the vocabulary when none is, so that the whole vocabulary is never sorted.
/// </summary>
/// <remarks>Logits of −∞ have probability 0. Tokens of +∞ share the whole mass equally; NaN is refused.</remarks>
public sealed class SamplerDistribution
{
    // 16 buckets an octave of the weights 2⁻¹⁰²² … 1: the upper 16 bits of their float64.
    private const int BucketShift = 48;
    private const int BucketCount = 0x3FF0 + 1;

    private readonly double[] _scores;
    private readonly double[] _weights;
    private readonly double[] _sortKeys;
    private readonly int[] _ids;
    private readonly double[] _probabilities;
    private readonly double[] _bucketMass = new double[BucketCount];
    private int _count;

    /// <summary>Makes the buffers for a vocabulary.</summary>
    /// <param name="vocabulary">The number of tokens V, at least 1.</param>
    public SamplerDistribution(int vocabulary)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(vocabulary, 1);
        _scores = new double[vocabulary];
        _weights = new double[vocabulary];
        _sortKeys = new double[vocabulary];
        _ids = new int[vocabulary];
        _probabilities = new double[vocabulary];
    }

    /// <summary>The number of tokens V.</summary>
    public int Vocabulary => _scores.Length;

    /// <summary>The tokens that are left.</summary>
    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, _count);

    /// <summary>Their probabilities; they sum to 1.</summary>
    public ReadOnlySpan<double> Probabilities => _probabilities.AsSpan(0, _count);

    /// <summary>Computes the distribution.</summary>
    /// <param name="logits">[V].</param>
    /// <param name="options">The steps; they must be valid (<see cref="SamplerOptions.Validate"/>).</param>
    /// <param name="history">The tokens that penalties apply to; null for none.</param>
    /// <exception cref="InvalidInputException">A logit is NaN, or all are −∞.</exception>
    public void Compute(ReadOnlySpan<float> logits, SamplerOptions options, TokenHistory? history = null)
    {
        if (logits.Length != Vocabulary) throw new ArgumentException($"{logits.Length} logits were given; expected {Vocabulary}.", nameof(logits));
        if (history is not null && history.Vocabulary != Vocabulary)
            throw new ArgumentException($"The history is for {history.Vocabulary} tokens; expected {Vocabulary}.", nameof(history));
        bool penalised = options.HasPenalties && history is { Distinct.Length: > 0 };
        if (options.Temperature == 0 && !penalised)
        {
            Greedy(logits, SamplingMath.ArgMax(logits));
            return;
        }
        for (int i = 0; i < logits.Length; i++) _scores[i] = logits[i];
        if (penalised) Penalise(options, history!);
        int best = SamplingMath.ArgMax<double>(_scores);
        if (options.Temperature == 0)
        {
            Greedy(logits, best);
            return;
        }
        Filter(options, Finite(_scores, Largest(logits, best < 0 ? double.NaN : _scores[best])));
    }

    /// <summary>
    /// Computes the distribution from a part of the logits that holds the top k: bit for bit what <see cref="Compute"/> makes of all.
    /// </summary>
    /// <param name="logits">
    /// The logits of every token of the history, if there are penalties, and of those others that are not below the k-th largest of
    /// the others.
    /// </param>
    /// <param name="ids">Their tokens, each once.</param>
    /// <param name="options">The steps; temperature is not 0, top-k from 1 to V − 1.</param>
    /// <param name="history">The tokens that penalties apply to; null for none.</param>
    /// <returns>False where a logit is NaN or none is possible: then <see cref="Compute"/> says so.</returns>
    public bool TryComputeCandidates(ReadOnlySpan<float> logits, ReadOnlySpan<int> ids, SamplerOptions options, TokenHistory? history)
    {
        Span<double> scores = _scores.AsSpan(0, ids.Length);
        for (int i = 0; i < scores.Length; i++)
            scores[i] = options.HasPenalties && history is not null ? Penalised(logits[i], ids[i], options, history) : logits[i];
        int best = scores.IsEmpty ? -1 : SamplingMath.ArgMax<double>(scores);
        if (best < 0 || double.IsNegativeInfinity(scores[best]))
            return false;
        double top = Finite(scores, scores[best]);
        CollectTopK(scores, Math.Min(options.TopK, scores.Length));
        for (int i = 0; i < _count; i++) _ids[i] = ids[_ids[i]];
        Cut(options, WeighTopK(options, top));
        return true;
    }

    /// <summary>
    /// The token whose slice of [0, 1) holds <paramref name="u"/>, slices in the order of <see cref="Ids"/>.
    /// </summary>
    /// <param name="u">A uniform number in [0, 1).</param>
    public int Sample(double u)
    {
        if (!(u is >= 0 and < 1)) throw new ArgumentOutOfRangeException(nameof(u), u, "A uniform number in [0, 1) was expected.");
        double below = 0;
        int last = 0;
        for (int i = 0; i < _count; i++)
        {
            if (_probabilities[i] == 0) continue;
            last = i;
            below += _probabilities[i];
            if (u < below) return _ids[i];
        }
        // The probabilities may sum to a little less than 1.
        return _ids[last];
    }

    /// <summary>Writes the probability of every token.</summary>
    /// <param name="probabilities">[V].</param>
    public void CopyTo(Span<float> probabilities)
    {
        if (probabilities.Length != Vocabulary) throw new ArgumentException($"Room for {probabilities.Length} probabilities was given; expected {Vocabulary}.", nameof(probabilities));
        probabilities.Clear();
        for (int i = 0; i < _count; i++) probabilities[_ids[i]] = (float)_probabilities[i];
    }

    private void Penalise(SamplerOptions options, TokenHistory history)
    {
        foreach (int token in history.Distinct) _scores[token] = Penalised(_scores[token], token, options, history);
    }

    /// <summary>A token's score; that of a token which the history does not hold is its logit.</summary>
    private static double Penalised(double z, int token, SamplerOptions options, TokenHistory history)
    {
        if (!history.Contains(token)) return z;
        z = z < 0 ? z * options.RepetitionPenalty : z / options.RepetitionPenalty;
        int count = history.OutputCount(token);
        return count > 0 ? z - (options.FrequencyPenalty * count + options.PresencePenalty) : z;
    }

    /// <summary>Scores whose largest is <paramref name="top"/>: infinite ones are the limit of ever larger equal logits.</summary>
    private static double Finite(Span<double> scores, double top)
    {
        if (!double.IsPositiveInfinity(top)) return top;
        foreach (ref double score in scores) score = double.IsPositiveInfinity(score) ? 0 : double.NegativeInfinity;
        return 0;
    }

    private void Greedy(ReadOnlySpan<float> logits, int best)
    {
        Largest(logits, best < 0 ? double.NaN : logits[best]);
        _ids[0] = best;
        _probabilities[0] = 1;
        _count = 1;
    }

    private static double Largest(ReadOnlySpan<float> logits, double largest)
    {
        if (double.IsNaN(largest))
        {
            int at = 0;
            while (at < logits.Length - 1 && !float.IsNaN(logits[at])) at++;
            throw new InvalidInputException($"The logit of token {at} is NaN; numbers were expected.");
        }
        if (double.IsNegativeInfinity(largest)) throw new InvalidInputException("All logits are -Infinity; at least one token must be possible.");
        return largest;
    }

    private void Filter(SamplerOptions options, double top)
    {
        bool topK = options.TopK > 0 && options.TopK < Vocabulary, topP = options.TopP < 1, minP = options.MinP > 0;
        double total;
        if (topK)
        {
            CollectTopK(_scores, options.TopK);
            total = WeighTopK(options, top);
        }
        else
        {
            total = SamplingMath.Weights(_scores, top, options.Temperature, _weights);
            if (!topP && !minP)
            {
                _count = Vocabulary;
                for (int i = 0; i < _count; i++) _ids[i] = i;
                _weights.CopyTo(_probabilities, 0);
                Normalise(total);
                return;
            }
            double least = topP ? NucleusFloor(options.TopP * total) : 0;
            if (minP) least = Math.Max(least, options.MinP);
            _count = SamplingMath.Collect(_weights, Math.Max(least, double.Epsilon), _ids);
            for (int i = 0; i < _count; i++) _sortKeys[i] = _scores[_ids[i]];
            Sort();
            for (int i = 0; i < _count; i++) _probabilities[i] = _weights[_ids[i]];
        }
        Cut(options, total);
    }

    /// <summary>The places of the scores that are at least the k-th largest, and the scores as sort keys.</summary>
    private void CollectTopK(ReadOnlySpan<double> scores, int k)
    {
        double threshold = SamplingMath.KthLargest(scores, _sortKeys.AsSpan(0, k));
        // Masked tokens are no candidates, even if fewer than k others are left.
        _count = SamplingMath.Collect(scores, Math.Max(threshold, double.MinValue), _ids);
        for (int i = 0; i < _count; i++) _sortKeys[i] = scores[_ids[i]];
    }

    private double WeighTopK(SamplerOptions options, double top)
    {
        Sort();
        return SamplingMath.Weights(_sortKeys.AsSpan(0, _count), top, options.Temperature, _probabilities);
    }

    /// <summary>Top-p and min-p on candidates in order, whose weights sum to <paramref name="total"/>.</summary>
    private void Cut(SamplerOptions options, double total)
    {
        if (options.TopP < 1) CutNucleus(options.TopP * total);
        if (options.MinP > 0)
        {
            double least = options.MinP * _probabilities[0];
            while (_probabilities[_count - 1] < least) _count--;
        }
        double kept = 0;
        for (int i = 0; i < _count; i++) kept += _probabilities[i];
        Normalise(kept);
    }

    /// <summary>
    /// A weight that every token of the nucleus has at least: buckets of the weights' upper bits are added from the largest
    /// until they hold the mass, so that only likely tokens are sorted.
    /// </summary>
    private double NucleusFloor(double mass)
    {
        Array.Clear(_bucketMass);
        foreach (double weight in _weights) _bucketMass[BitConverter.DoubleToInt64Bits(Math.Min(weight, 1)) >> BucketShift] += weight;
        double above = 0;
        int bucket = BucketCount - 1;
        // A little more than the mass, since buckets and ranks add up in different orders.
        for (; bucket > 0; bucket--)
        {
            above += _bucketMass[bucket];
            if (above > mass * (1 + 1e-12) + 1e-300) break;
        }
        return BitConverter.Int64BitsToDouble((long)bucket << BucketShift);
    }

    private void CutNucleus(double mass)
    {
        double before = _probabilities[0];
        int kept = 1;
        while (kept < _count && before < mass) before += _probabilities[kept++];
        _count = kept;
    }

    /// <summary>Sorts the candidates by falling score; equal scores keep rising ids.</summary>
    private void Sort()
    {
        Span<double> keys = _sortKeys.AsSpan(0, _count);
        Span<int> ids = _ids.AsSpan(0, _count);
        // Negated keys sort the scores falling; the sort is not stable, so equal runs are put in order afterwards.
        for (int i = 0; i < keys.Length; i++) keys[i] = -keys[i];
        keys.Sort(ids);
        for (int start = 0; start < keys.Length;)
        {
            int end = start + 1;
            while (end < keys.Length && keys[end] == keys[start]) end++;
            if (end - start > 1) ids[start..end].Sort();
            start = end;
        }
        for (int i = 0; i < keys.Length; i++) keys[i] = -keys[i];
    }

    private void Normalise(double total)
    {
        for (int i = 0; i < _count; i++) _probabilities[i] /= total;
    }
}
