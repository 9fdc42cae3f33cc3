using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>Unicode normalization form C of UTF-8 text (Unicode Standard Annex 15), through the runtime's tables.</summary>
internal static class NfcNormalizer
{
    /// <summary>Whether the runtime can normalize: it cannot in its globalization-invariant mode, where it returns text as it is.</summary>
    public static bool IsAvailable => "e\u0301".Normalize(NormalizationForm.FormC).Length == 1;

    /// <summary>The normalized form of a string.</summary>
    public static string Normalize(string text)
    {
        byte[] scratch = [];
        return Encoding.UTF8.GetString(Normalize(Encoding.UTF8.GetBytes(text), ref scratch));
    }

    /// <summary>Normalizes valid UTF-8. Text without anything at or above U+0300 is returned as it is, without a copy.</summary>
    /// <param name="text">The text.</param>
    /// <param name="scratch">Grown as needed; holds the result where it differs from the text.</param>
    public static ReadOnlySpan<byte> Normalize(ReadOnlySpan<byte> text, ref byte[] scratch)
    {
        // 0xCC is the lead byte of U+0300; everything below is its own form C and, without a mark after it, stays so.
        if (!text.ContainsAnyInRange((byte)0xCC, (byte)0xFF))
            return text;
        string source = Encoding.UTF8.GetString(text);
        if (!source.Contains('\uFFFE'))
        {
            if (source.IsNormalized(NormalizationForm.FormC))
                return text;
            source = source.Normalize(NormalizationForm.FormC);
        }
        else
        {
            // The runtime rejects the noncharacter U+FFFE, which composes with nothing: normalize around it.
            source = string.Join('\uFFFE', source.Split('\uFFFE').Select(part => part.Normalize(NormalizationForm.FormC)));
        }
        int length = Encoding.UTF8.GetByteCount(source);
        if (scratch.Length < length)
            scratch = new byte[length + length / 2];
        return scratch.AsSpan(0, Encoding.UTF8.GetBytes(source, scratch));
    }
}
