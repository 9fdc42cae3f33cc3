using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// Prompt look-up: finds the latest earlier place where the last few tokens stood and proposes what followed there. Code
/// repeats itself, and no weights are read. The proposal is a point mass.
/// </summary>
public sealed class LookupDrafter : IDrafter
{
    private const int LongestMatch = 4;
    private const int ShortestMatch = 2;

    /// <inheritdoc/>
    public string Name => "look-up";

    /// <inheritdoc/>
    public int ReusableLength(int length) => length;

    /// <inheritdoc/>
    public void Reset(int length) { }

    /// <inheritdoc/>
    public void Observe(Tensor states, int firstRow, int count, int position, ReadOnlySpan<int> tokens) { }

    /// <inheritdoc/>
    public void Draft(int count, TokenHistory history, ISampler sampler, ulong seed, DraftRun run)
    {
        run.Clear();
        ReadOnlySpan<int> tokens = history.Tokens;
        for (int length = Math.Min(LongestMatch, tokens.Length - 1); length >= ShortestMatch; length--)
        {
            ReadOnlySpan<int> suffix = tokens[^length..];
            int found = tokens[..^1].LastIndexOf(suffix);
            if (found < 0)
                continue;
            ReadOnlySpan<int> follow = tokens[(found + length)..];
            foreach (int id in follow[..Math.Min(count, follow.Length)])
                run.AddCertain(id);
            return;
        }
    }

    /// <inheritdoc/>
    public void Dispose() { }
}
