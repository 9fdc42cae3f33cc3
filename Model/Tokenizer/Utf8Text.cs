using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Model;

/// <summary>Steps through UTF-8 that is known to be valid.</summary>
internal static class Utf8Text
{
    /// <summary>The scalar value whose first byte stands at <paramref name="index"/>, and how many bytes it takes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static int Decode(ReadOnlySpan<byte> text, int index, out int length)
    {
        int b0 = text[index];
        if (b0 < 0x80)
        {
            length = 1;
            return b0;
        }
        if (b0 < 0xE0)
        {
            length = 2;
            return ((b0 & 0x1F) << 6) | (text[index + 1] & 0x3F);
        }
        if (b0 < 0xF0)
        {
            length = 3;
            return ((b0 & 0x0F) << 12) | ((text[index + 1] & 0x3F) << 6) | (text[index + 2] & 0x3F);
        }
        length = 4;
        return ((b0 & 0x07) << 18) | ((text[index + 1] & 0x3F) << 12) | ((text[index + 2] & 0x3F) << 6) | (text[index + 3] & 0x3F);
    }

    /// <summary>The index of the first byte of the scalar value that ends directly before <paramref name="end"/>.</summary>
    public static int StartOfLast(ReadOnlySpan<byte> text, int end)
    {
        int start = end - 1;
        while ((text[start] & 0xC0) == 0x80)
            start--;
        return start;
    }
}
