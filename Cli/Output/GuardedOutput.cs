namespace Mellum2.Managed.Cli;

/// <summary>
/// A stream that tells "the reader has gone" from every other failure; or one that no failure stops, for what is said
/// beside the result.
/// </summary>
internal sealed class GuardedOutput(Stream inner, bool isBestEffort = false) : Stream
{
    private const int BrokenPipeOnUnix = 32;
    private const int BrokenPipe = unchecked((int)0x8007006D);
    private const int NoReader = unchecked((int)0x800700E8);

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            inner.Write(buffer);
            inner.Flush();
        }
        catch (IOException) when (isBestEffort)
        {
            // Nobody listens.
        }
        catch (IOException e) when (e.HResult is BrokenPipeOnUnix or BrokenPipe or NoReader)
        {
            throw new OutputClosedException(e);
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush() { }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
