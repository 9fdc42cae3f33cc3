namespace Mellum2.Managed.Model;

/// <summary>
/// How many tokens to draft: fixed, or the number that pays best at the acceptance counted so far. Where none pays,
/// drafting rests and one draft now and then finds out whether that has changed.
/// </summary>
internal sealed class DraftLength(SpeculationOptions options, DraftCost cost)
{
    private const double InitialAcceptance = 0.8;
    private const double Memory = 0.95;
    private const int RestPasses = 16;
    private readonly bool _adaptive = options.DraftTokens is null;
    private readonly int _maximum = options.DraftTokens ?? SpeculationOptions.MostDrafts;
    private double _acceptance = InitialAcceptance;
    private int _rested;

    /// <summary>The number for the next pass.</summary>
    public int Next()
    {
        if (!_adaptive)
            return _maximum;
        int count = cost.BestCount(_acceptance, _maximum);
        if (count > 0)
            return count;
        _rested = (_rested + 1) % RestPasses;
        return _rested == 0 ? 1 : 0;
    }

    /// <summary>Counts a pass: drafts up to the first rejected one say how probable acceptance is.</summary>
    public void Count(int drafted, int accepted)
    {
        for (int i = 0; i < Math.Min(accepted + 1, drafted); i++)
            _acceptance = Memory * _acceptance + (1 - Memory) * (i < accepted ? 1 : 0);
    }
}
