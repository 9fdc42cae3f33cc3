namespace Mellum2.Managed.Kernels;

/// <summary>Which tokens prompt and output hold, for the penalties of <see cref="SamplerOptions"/>.</summary>
/// <param name="vocabulary">The number of tokens.</param>
public sealed class TokenHistory(int vocabulary)
{
    private readonly bool[] _seen = new bool[vocabulary];
    private readonly int[] _outputCounts = new int[vocabulary];
    private readonly int[] _distinct = new int[vocabulary];
    private int _count;

    /// <summary>The distinct tokens of prompt and output in the order of their first occurrence.</summary>
    public ReadOnlySpan<int> Distinct => _distinct.AsSpan(0, _count);

    /// <summary>The number of tokens in the vocabulary.</summary>
    public int Vocabulary => _seen.Length;

    /// <summary>How often the output holds the token.</summary>
    public int OutputCount(int token) => _outputCounts[token];

    /// <summary>Adds tokens of the prompt.</summary>
    public void AddPrompt(ReadOnlySpan<int> tokens)
    {
        foreach (int token in tokens) See(token);
    }

    /// <summary>Adds a token of the output.</summary>
    public void AddOutput(int token)
    {
        See(token);
        _outputCounts[token]++;
    }

    /// <summary>Forgets everything.</summary>
    public void Clear()
    {
        foreach (int token in Distinct)
        {
            _seen[token] = false;
            _outputCounts[token] = 0;
        }
        _count = 0;
    }

    private void See(int token)
    {
        if (_seen[token]) return;
        _seen[token] = true;
        _distinct[_count++] = token;
    }
}
