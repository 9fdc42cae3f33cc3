using FsCheck;
using FsCheck.Fluent;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Text of the kinds that tokenizers stumble over, and any UTF-16 units between them.</summary>
public sealed class TextArbitrary
{
    private static readonly string[] s_fragments =
    [
        " ", "  ", "\t", "\n", "\r\n", "\n\n  ", "\u0085", "\u00A0", "\u2028", "\u3000", "\u001C", "\u200B", "\uFEFF", "\0",
        "'s", "'S", "'t", "'re", "'VE", "'ll", "'d", "'", "''", "a", "Z", "int", "return", "IEnumerable", "café", "cafe\u0301",
        "é", "\u0301", "ſ", "ß", "漢字", "अ", "\u0940", "한", "\u1112\u1161\u11AB", "1", "23", "4567", "½", "Ⅷ", "²", "٣", "𝟘", "𐒠", "𝒜",
        "𠜎", "😀", "👩\u200D💻", "🏳\uFE0F", ".", ",", "!==", "_", "<", ">", "<think>", "</think>", "<|im_end|>", "<|endoftext|>", "<n>", "sonst",
        "two words", "\uD800", "\uDC00", "\uFFFE", "\uFFFF", "\u0378", "€", "\u0378",
    ];

    /// <summary>Strings, lone surrogates among them.</summary>
    public static Arbitrary<string> Text() => Arb.From(
        Gen.Frequency(
            (6, Gen.Elements(s_fragments)),
            (1, Gen.Choose(0, 0x7F).Select(c => ((char)c).ToString())),
            (1, Gen.Choose(0, 0xFFFF).Select(c => ((char)c).ToString())))
        .ArrayOf().Select(string.Concat));
}
