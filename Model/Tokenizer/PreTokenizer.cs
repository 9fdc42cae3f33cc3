namespace Mellum2.Managed.Model;

/// <summary>Takes the words of a pre-tokenized text, in order.</summary>
internal interface IWordSink
{
    /// <summary>The next word, as UTF-8; valid during the call.</summary>
    void Word(ReadOnlySpan<byte> word);
}

/// <summary>Cuts text into the words inside which byte pairs merge: a chain of splitters, then the prefix space and regex of <c>ByteLevel</c>.</summary>
internal sealed class PreTokenizer
{
    private readonly Splitter[] _stages;
    private readonly bool _addPrefixSpace;
    private readonly Splitter? _last;

    /// <summary>Creates the chain; stages that one scanner can do in a single pass are joined.</summary>
    /// <param name="stages">The splitters before <c>ByteLevel</c>, each working inside the pieces of the one before.</param>
    /// <param name="addPrefixSpace">Whether a piece that reaches <c>ByteLevel</c> gets a space before it, unless it has one.</param>
    /// <param name="useRegex">Whether <c>ByteLevel</c> splits with GPT-2's regex.</param>
    public PreTokenizer(IReadOnlyList<Splitter> stages, bool addPrefixSpace, bool useRegex)
    {
        _addPrefixSpace = addPrefixSpace;
        if (addPrefixSpace)
        {
            _stages = [.. stages];
            _last = useRegex ? new Gpt2Splitter(isolateDigits: false) : null;
        }
        else if (!useRegex)
            _stages = [.. stages];
        else if (stages.Count > 0 && stages[^1] is DigitsSplitter { Individual: true })
            _stages = [.. stages.SkipLast(1), new Gpt2Splitter(isolateDigits: true)];
        else
            _stages = [.. stages, new Gpt2Splitter(isolateDigits: false)];
    }

    /// <summary>Passes the words of a stretch of valid UTF-8 to a sink; an empty stretch has none.</summary>
    /// <param name="text">The stretch, normalized, without added tokens.</param>
    /// <param name="prefixed">Scratch memory, grown as needed, for pieces with a space before them.</param>
    /// <param name="sink">Takes the words.</param>
    public void Split<TSink>(ReadOnlySpan<byte> text, ref byte[] prefixed, ref TSink sink)
        where TSink : IWordSink, allows ref struct
    {
        if (text.Length > 0)
            Split(text, 0, ref prefixed, ref sink);
    }

    private void Split<TSink>(ReadOnlySpan<byte> text, int stage, ref byte[] prefixed, ref TSink sink)
        where TSink : IWordSink, allows ref struct
    {
        if (stage == _stages.Length)
        {
            SplitByteLevel(text, ref prefixed, ref sink);
            return;
        }
        Splitter splitter = _stages[stage];
        bool isLast = stage == _stages.Length - 1 && !_addPrefixSpace;
        for (int start = 0; start < text.Length;)
        {
            int end = splitter.Next(text, start);
            if (isLast)
                sink.Word(text[start..end]);
            else
                Split(text[start..end], stage + 1, ref prefixed, ref sink);
            start = end;
        }
    }

    private void SplitByteLevel<TSink>(ReadOnlySpan<byte> text, ref byte[] prefixed, ref TSink sink)
        where TSink : IWordSink, allows ref struct
    {
        if (_addPrefixSpace && text[0] != ' ')
        {
            if (prefixed.Length <= text.Length)
                prefixed = new byte[Math.Max(256, text.Length + text.Length / 2 + 1)];
            prefixed[0] = (byte)' ';
            text.CopyTo(prefixed.AsSpan(1));
            text = prefixed.AsSpan(0, text.Length + 1);
        }
        if (_last is null)
        {
            sink.Word(text);
            return;
        }
        for (int start = 0; start < text.Length;)
        {
            int end = _last.Next(text, start);
            sink.Word(text[start..end]);
            start = end;
        }
    }
}
