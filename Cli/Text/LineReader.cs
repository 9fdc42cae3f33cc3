namespace Mellum2.Managed.Cli;

/// <summary>Reads standard input line by line, as UTF-8 that is checked, and stops waiting when the user cancels.</summary>
internal sealed class LineReader(Stream input, CancellationToken cancel)
{
    private readonly byte[] _buffer = new byte[4096];
    private readonly List<byte> _line = [];
    private int _begin, _end;
    private long _offset;

    /// <summary>The next line without its end; null when there is none.</summary>
    public string? Read()
    {
        _line.Clear();
        long start = _offset;
        while (true)
        {
            if (_begin == _end && !Fill())
                return _line.Count == 0 ? null : Finish(start);
            byte value = _buffer[_begin++];
            _offset++;
            if (value == '\n')
                return Finish(start);
            _line.Add(value);
        }
    }

    private string Finish(long start)
    {
        string line = TextFiles.Decode(_line.ToArray(), "Standard input", start);
        return line.EndsWith('\r') ? line[..^1] : line;
    }

    private bool Fill()
    {
        // A read from a terminal cannot be interrupted, so it waits on a thread of its own that the process leaves behind.
        Task<int> read = Task.Run(() => input.Read(_buffer, 0, _buffer.Length), CancellationToken.None);
        (_begin, _end) = (0, read.WaitAsync(cancel).GetAwaiter().GetResult());
        return _end > 0;
    }
}
