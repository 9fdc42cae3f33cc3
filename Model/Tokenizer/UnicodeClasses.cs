using System.Globalization;
using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Model;

/// <summary>
/// The character classes of the pre-tokenizers' regexes, by scalar value: <c>\p{L}</c>, <c>\p{N}</c>, <c>\s</c> and <c>\w</c>.
/// A table of two levels (blocks of 256 scalars, equal blocks stored once) built from the runtime's Unicode data; the first
/// 128 entries of <see cref="Flags"/> are ASCII.
/// </summary>
internal sealed class UnicodeClasses
{
    /// <summary><c>\p{L}</c>: Lu, Ll, Lt, Lm, Lo.</summary>
    public const byte Letter = 1;

    /// <summary><c>\p{N}</c>: Nd, Nl, No.</summary>
    public const byte Number = 2;

    /// <summary><c>\s</c>: White_Space, 25 scalars.</summary>
    public const byte Space = 4;

    /// <summary><c>\w</c>: Alphabetic, marks, Nd, Pc and the two join controls (Unicode TS 18, Annex C).</summary>
    public const byte Word = 8;

    /// <summary>Letter, number or space; a scalar with none of these is what <c>[^\s\p{L}\p{N}]</c> matches.</summary>
    public const byte Kinds = Letter | Number | Space;

    private readonly ushort[] _blocks = new ushort[0x110000 >> 8];

    private UnicodeClasses()
    {
        // Blocks are told apart by their content; fewer than 300 of the 4352 differ.
        var known = new Dictionary<string, ushort>();
        var flags = new List<byte>();
        Span<char> block = stackalloc char[256];
        for (int b = 0; b < _blocks.Length; b++)
        {
            for (int i = 0; i < 256; i++)
                block[i] = (char)Classify((b << 8) | i);
            string content = new(block);
            if (!known.TryGetValue(content, out ushort number))
            {
                known.Add(content, number = (ushort)known.Count);
                foreach (char c in block)
                    flags.Add((byte)c);
            }
            _blocks[b] = number;
        }
        Flags = [.. flags];
    }

    /// <summary>The one table: it is the same for every tokenizer and never changes.</summary>
    public static UnicodeClasses Instance { get; } = new();

    /// <summary>The flags of all distinct blocks; the flags of an ASCII character stand at its own value.</summary>
    public byte[] Flags { get; }

    /// <summary>The flags of a scalar value (0 to 0x10FFFF).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public byte Of(int scalar) => Flags[(_blocks[scalar >> 8] << 8) | (scalar & 0xFF)];

    private static byte Classify(int scalar)
    {
        switch (CharUnicodeInfo.GetUnicodeCategory(scalar))
        {
            case UnicodeCategory.UppercaseLetter:
            case UnicodeCategory.LowercaseLetter:
            case UnicodeCategory.TitlecaseLetter:
            case UnicodeCategory.ModifierLetter:
            case UnicodeCategory.OtherLetter:
                return Letter | Word;
            case UnicodeCategory.DecimalDigitNumber:
            case UnicodeCategory.LetterNumber:
                return Number | Word;
            case UnicodeCategory.OtherNumber:
                return Number;
            case UnicodeCategory.NonSpacingMark:
            case UnicodeCategory.SpacingCombiningMark:
            case UnicodeCategory.EnclosingMark:
            case UnicodeCategory.ConnectorPunctuation:
                return Word;
        }
        if (scalar is (>= 0x09 and <= 0x0D) or 0x20 or 0x85 or 0xA0 or 0x1680 or (>= 0x2000 and <= 0x200A)
            or 0x2028 or 0x2029 or 0x202F or 0x205F or 0x3000)
            return Space;
        // Alphabetic symbols (circled and squared Latin letters) and the join controls.
        return scalar is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169)
            or (>= 0x1F170 and <= 0x1F189) or 0x200C or 0x200D ? Word : (byte)0;
    }
}
