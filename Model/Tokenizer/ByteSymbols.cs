using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>
/// GPT-2's bijection between the 256 bytes and printable characters, in which byte-level vocabularies are written: bytes
/// 0x21–0x7E, 0xA1–0xAC and 0xAE–0xFF are the character of the same number, the other 68 are U+0100 to U+0143 in order.
/// </summary>
internal static class ByteSymbols
{
    private static readonly char[] s_symbols = CreateSymbols();
    private static readonly short[] s_bytes = CreateBytes();

    /// <summary>The symbol of a byte.</summary>
    public static char SymbolOf(byte value) => s_symbols[value];

    /// <summary>The bytes of a token: those of its symbols if all its characters are symbols, otherwise its UTF-8.</summary>
    /// <param name="token">The token as the vocabulary writes it.</param>
    /// <param name="isSymbols">Whether all characters are symbols.</param>
    public static byte[] BytesOf(string token, out bool isSymbols)
    {
        byte[] bytes = new byte[token.Length];
        for (int i = 0; i < token.Length; i++)
        {
            int value = token[i] < s_bytes.Length ? s_bytes[token[i]] : -1;
            if (value < 0)
            {
                isSymbols = false;
                return Encoding.UTF8.GetBytes(token);
            }
            bytes[i] = (byte)value;
        }
        isSymbols = true;
        return bytes;
    }

    private static char[] CreateSymbols()
    {
        var symbols = new char[256];
        int next = 0x100;
        for (int b = 0; b < 256; b++)
            symbols[b] = b is (>= 0x21 and <= 0x7E) or (>= 0xA1 and <= 0xAC) or >= 0xAE ? (char)b : (char)next++;
        return symbols;
    }

    private static short[] CreateBytes()
    {
        short[] bytes = new short[0x144];
        Array.Fill(bytes, (short)-1);
        for (int b = 0; b < 256; b++)
            bytes[s_symbols[b]] = (short)b;
        return bytes;
    }
}
