using System.Text;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Decodes through a <see cref="TokenStream"/> and checks that each output is whole characters.</summary>
internal static class Streaming
{
    /// <summary>Appends ids in chunks, flushes, and joins what was written.</summary>
    public static string Decode(TokenStream stream, ReadOnlySpan<int> ids, Func<int, int> chunkLength)
    {
        var strict = new UTF8Encoding(false, throwOnInvalidBytes: true);
        var text = new StringBuilder();
        for (int at = 0; at < ids.Length;)
        {
            int length = Math.Min(chunkLength(at), ids.Length - at);
            byte[] utf8 = new byte[stream.MaxBytesPerToken * length];
            int written = length == 1 ? stream.Append(ids[at], utf8) : stream.Append(ids.Slice(at, length), utf8);
            text.Append(strict.GetString(utf8, 0, written));
            at += length;
        }
        byte[] rest = new byte[3];
        return text.Append(strict.GetString(rest, 0, stream.Flush(rest))).ToString();
    }
}
