using System.Text;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>A document of a corpus, or why there is none.</summary>
/// <param name="Text">Valid UTF-8 without a byte order mark; empty if it is left out.</param>
/// <param name="Where">The file, and the line if it has lines.</param>
/// <param name="Reason">Why it is left out.</param>
internal readonly record struct SourceDocument(ReadOnlyMemory<byte> Text, string Where, SkipReason Reason);

/// <summary>Documents that one thread reads at once. Batches depend on the files alone, not on the number of threads.</summary>
internal abstract class SourceBatch(long storedBytes)
{
    private const int LeastBytes = 1 << 20;
    private const int MostFiles = 256;

    /// <summary>The bytes on the disk that the batch stands for, for progress.</summary>
    public long StoredBytes => storedBytes;

    /// <summary>The documents, in order.</summary>
    /// <exception cref="InvalidInputException">A file cannot be read.</exception>
    public abstract IEnumerable<SourceDocument> Documents();

    /// <summary>Cuts a corpus into batches, in order.</summary>
    public static IEnumerable<SourceBatch> Of(IEnumerable<SourceFile> files, SourceOptions options)
    {
        List<SourceFile> texts = [];
        long bytes = 0;
        foreach (SourceFile file in files)
        {
            if (!file.IsJsonLines)
            {
                texts.Add(file);
                bytes += file.ByteLength;
            }
            if (texts.Count > 0 && (file.IsJsonLines || bytes >= LeastBytes || texts.Count == MostFiles))
            {
                yield return new TextBatch([.. texts], bytes);
                texts.Clear();
                bytes = 0;
            }
            if (file.IsJsonLines)
                foreach (SourceBatch batch in LinesBatch.Cut(file, options, LeastBytes))
                    yield return batch;
        }
        if (texts.Count > 0)
            yield return new TextBatch([.. texts], bytes);
    }

    /// <summary>The document that some bytes are.</summary>
    protected static SourceDocument Check(ReadOnlyMemory<byte> bytes, string where)
    {
        const int looked = 8192;
        if (bytes.Span[..Math.Min(looked, bytes.Length)].Contains((byte)0))
            return new SourceDocument(default, where, SkipReason.Binary);
        if (bytes.Span.StartsWith(Encoding.UTF8.Preamble))
            bytes = bytes[Encoding.UTF8.Preamble.Length..];
        return System.Text.Unicode.Utf8.IsValid(bytes.Span)
            ? new SourceDocument(bytes, where, SkipReason.None)
            : new SourceDocument(default, where, SkipReason.InvalidUtf8);
    }

    /// <summary>The sentence for a document that is too long.</summary>
    protected static InvalidInputException TooLong(string where) =>
        new($"{where} has a document of more than {SourceOptions.MaximumDocumentBytes:N0} bytes, which is the most that one may have.");
}

/// <summary>Files that are one document each.</summary>
internal sealed class TextBatch(SourceFile[] files, long storedBytes) : SourceBatch(storedBytes)
{
    public override IEnumerable<SourceDocument> Documents()
    {
        foreach (SourceFile file in files)
            yield return Check(Read(file), file.Path);
    }

    private static ReadOnlyMemory<byte> Read(SourceFile file)
    {
        try
        {
            using Stream stream = file.Open();
            byte[] bytes = new byte[Math.Clamp(file.ByteLength + 1, 1, SourceOptions.MaximumDocumentBytes + 1)];
            int count = 0;
            while (true)
            {
                int read = stream.Read(bytes, count, bytes.Length - count);
                count += read;
                if (read == 0)
                    return bytes.AsMemory(0, count);
                if (count > SourceOptions.MaximumDocumentBytes)
                    throw TooLong(file.Path);
                if (count == bytes.Length)
                    Array.Resize(ref bytes, (int)Math.Min(2L * count, SourceOptions.MaximumDocumentBytes + 1L));
            }
        }
        catch (Exception e) when (SourceFile.IsReadError(e))
        {
            throw file.Unreadable(e);
        }
    }
}
