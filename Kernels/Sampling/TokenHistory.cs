namespace Mellum2.Managed.Kernels;

/// <summary>
/// The tokens of a sequence and how often each occurs in what was generated: what the penalties of
/// <see cref="SamplerOptions"/> look at. Drafts are pushed and popped, so that position i sees the accepted text and the
/// drafts before i.
/// </summary>
/// <param name="vocabulary">The number of tokens in the vocabulary.</param>
/// <param name="capacity">The most tokens of prompt and output.</param>
public sealed class TokenHistory(int vocabulary, int capacity)
{
    private readonly int[] _tokens = new int[capacity];
    private readonly bool[] _inPrompt = new bool[vocabulary];
    private readonly int[] _outputCounts = new int[vocabulary];
    private readonly int[] _distinct = new int[vocabulary];
    private int _distinctCount;

    /// <summary>The number of tokens in the vocabulary.</summary>
    public int Vocabulary => _inPrompt.Length;

    /// <summary>The number of tokens in the sequence.</summary>
    public int Count { get; private set; }

    /// <summary>How many of them are the prompt.</summary>
    public int PromptLength { get; private set; }

    /// <summary>Prompt and output.</summary>
    public ReadOnlySpan<int> Tokens => _tokens.AsSpan(0, Count);

    /// <summary>The distinct tokens of prompt and output in the order of their first occurrence.</summary>
    public ReadOnlySpan<int> Distinct => _distinct.AsSpan(0, _distinctCount);

    /// <summary>How often the output holds the token.</summary>
    public int OutputCount(int token) => _outputCounts[token];

    /// <summary>Whether prompt or output hold the token.</summary>
    public bool Contains(int token) => _inPrompt[token] || _outputCounts[token] > 0;

    /// <summary>Begins anew with a prompt.</summary>
    public void Reset(ReadOnlySpan<int> prompt)
    {
        foreach (int token in Distinct)
        {
            _inPrompt[token] = false;
            _outputCounts[token] = 0;
        }
        _distinctCount = 0;
        prompt.CopyTo(_tokens);
        Count = PromptLength = prompt.Length;
        foreach (int token in prompt)
        {
            if (_inPrompt[token])
                continue;
            _inPrompt[token] = true;
            _distinct[_distinctCount++] = token;
        }
    }

    /// <summary>Adds a token to the output.</summary>
    public void Push(int token)
    {
        _tokens[Count++] = token;
        if (_outputCounts[token]++ == 0 && !_inPrompt[token])
            _distinct[_distinctCount++] = token;
    }

    /// <summary>Takes output back until <paramref name="count"/> tokens are left.</summary>
    public void PopTo(int count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, PromptLength);
        while (Count > count)
        {
            // Last in, first out: a token that occurs no more is the latest of the distinct ones.
            int token = _tokens[--Count];
            if (--_outputCounts[token] == 0 && !_inPrompt[token])
                _distinctCount--;
        }
    }
}
