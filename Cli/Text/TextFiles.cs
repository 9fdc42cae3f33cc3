using System.Buffers;
using System.Text;
using System.Text.Unicode;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Cli;

/// <summary>Reads texts; what is no UTF-8 is refused with the place, not repaired.</summary>
internal static class TextFiles
{
    private static ReadOnlySpan<byte> ByteOrderMark => [0xEF, 0xBB, 0xBF];

    /// <summary>The text of a file, without a byte order mark.</summary>
    /// <exception cref="InvalidInputException">It cannot be read or is no UTF-8.</exception>
    public static string Read(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new InvalidInputException($"{path} cannot be read: {e.Message}", e);
        }
        return Decode(bytes, path, 0);
    }

    /// <summary>All of standard input.</summary>
    /// <exception cref="InvalidInputException">It is no UTF-8.</exception>
    public static string ReadInput(Stream input)
    {
        using MemoryStream bytes = new();
        input.CopyTo(bytes);
        return Decode(bytes.GetBuffer().AsSpan(0, (int)bytes.Length), "Standard input", 0);
    }

    /// <summary>Decodes UTF-8 whose first byte is the one at <paramref name="offset"/> of <paramref name="name"/>.</summary>
    /// <exception cref="InvalidInputException">It is no UTF-8; names the first byte that is wrong.</exception>
    public static string Decode(ReadOnlySpan<byte> utf8, string name, long offset)
    {
        if (!Utf8.IsValid(utf8))
        {
            int at = 0;
            while (Rune.DecodeFromUtf8(utf8[at..], out _, out int length) == OperationStatus.Done)
                at += length;
            throw new InvalidInputException(
                $"{name} is no valid UTF-8: the byte 0x{utf8[at]:X2} at offset {offset + at} does not begin a character or its character is cut.");
        }
        return Encoding.UTF8.GetString(offset == 0 && utf8.StartsWith(ByteOrderMark) ? utf8[ByteOrderMark.Length..] : utf8);
    }
}
