namespace Mellum2.Managed.Model;

/// <summary>
/// What verifying and drafting cost relative to one plain pass, from the shape of the model alone (never from a clock, so
/// that a run is repeatable). A model larger than the caches costs what it reads: dense weights once a pass, and the
/// experts that any of its tokens chose. A small one lives in the caches and costs arithmetic.
/// </summary>
internal sealed class DraftCost
{
    // Parameters up to which a model is taken to run from the caches.
    private const long InCache = 16_000_000;

    // Measured on the small checkpoint: half of a pass does not depend on the number of tokens.
    private const double InCacheTokenShare = 0.5;

    // Consecutive tokens choose alike: this part of the experts that independent choices would add is shared.
    private const double SharedExperts = 0.4;

    private readonly double[] _pass = new double[SpeculationOptions.MostDrafts + 2];

    public DraftCost(ModelConfiguration configuration, bool draftsWithMtp)
    {
        int slots = configuration.ExpertsPerToken, experts = configuration.ExpertCount;
        double active = configuration.ActiveParameterCount;
        double perExpert = 3.0 * configuration.HiddenSize * configuration.ExpertSize * configuration.MlpLayerTypes.Count(kind => kind == MlpKind.Sparse);
        for (int tokens = 1; tokens < _pass.Length; tokens++)
        {
            double independent = experts * (1 - Math.Pow(1 - (double)slots / experts, tokens));
            double added = (1 - SharedExperts) * (independent - slots) * perExpert;
            _pass[tokens] = configuration.ParameterCount <= InCache
                ? 1 + InCacheTokenShare * (tokens - 1)
                : 1 + Math.Max(added, 0) / active;
        }
        double head = (double)configuration.VocabularySize * configuration.HiddenSize;
        double layer = (active - head) / configuration.LayerCount;
        Draft = draftsWithMtp ? (layer + 2.0 * configuration.HiddenSize * configuration.HiddenSize + head) / active : 0;
    }

    /// <summary>One draft.</summary>
    public double Draft { get; }

    /// <summary>A pass over that many tokens.</summary>
    public double Pass(int tokens) => _pass[tokens];

    /// <summary>
    /// The number of drafts that gives the most tokens for the cost when each is accepted with this probability after
    /// those before it; 0 where none pays.
    /// </summary>
    public int BestCount(double acceptance, int maximum)
    {
        int best = 0;
        double bestRate = 1, expected = 1, chain = 1;
        for (int drafts = 1; drafts <= maximum; drafts++)
        {
            chain *= acceptance;
            expected += chain;
            double rate = expected / (Pass(drafts + 1) + drafts * Draft);
            if (rate > bestRate)
                (best, bestRate) = (drafts, rate);
        }
        return best;
    }
}
