namespace Mellum2.Managed.Model;

/// <summary>
/// How many tokens to draft: fixed, or following the counted acceptance (never a clock, so that a run is repeatable).
/// A draft is worth its cost while the probability that it and all before it are accepted stays above
/// <see cref="Worth"/>; below that even for the first one, drafting rests and is tried again now and then.
/// </summary>
internal sealed class DraftLength
{
    private const double Worth = 0.35;
    private const double Memory = 0.9;
    private const int RestPasses = 16;
    private readonly bool _adaptive;
    private readonly int _maximum;
    private double _acceptance = 0.7;
    private int _rest;

    public DraftLength(SpeculationOptions options)
    {
        _adaptive = options.DraftTokens is null;
        _maximum = options.DraftTokens ?? SpeculationOptions.MostDrafts;
    }

    /// <summary>The number for the next pass.</summary>
    public int Next()
    {
        if (!_adaptive)
            return _maximum;
        if (_rest > 0)
        {
            _rest--;
            return _rest == 0 ? 1 : 0;
        }
        return Math.Clamp((int)(Math.Log(Worth) / Math.Log(Math.Min(_acceptance, 0.99))), 1, _maximum);
    }

    /// <summary>Counts a pass: the drafts that were accepted, and whether one was rejected after them.</summary>
    public void Count(int drafted, int accepted)
    {
        for (int i = 0; i < Math.Min(accepted + 1, drafted); i++)
            _acceptance = Memory * _acceptance + (1 - Memory) * (i < accepted ? 1 : 0);
        if (_adaptive && drafted > 0 && _acceptance < Worth)
            _rest = RestPasses;
    }
}
