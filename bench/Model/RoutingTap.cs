using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>
/// Chooses the experts itself: each token keeps an expert of the token before with the given probability and draws the
/// others uniformly. 0 is independent routing.
/// </summary>
internal sealed class RoutingTap(int expertsPerToken, double kept) : ForwardTap
{
    private readonly Random _random = new(3);

    public override void RouterLogits(int layer, Tensor logits)
    {
        HashSet<int> chosen = [];
        for (int t = 0; t < logits.Rows; t++)
        {
            HashSet<int> next = [.. chosen.Where(_ => _random.NextDouble() < kept)];
            while (next.Count < expertsPerToken)
                next.Add(_random.Next(logits.Columns));
            Span<float> row = logits.Span<float>().Slice(t * logits.Columns, logits.Columns);
            for (int e = 0; e < row.Length; e++)
                row[e] = next.Contains(e) ? 10 + _random.NextSingle() : 0;
            chosen = next;
        }
    }
}
