using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Model;

/// <summary>
/// One stage of pre-tokenization: cuts a stretch of valid UTF-8 into pieces that cover it without a gap. Regexes see the
/// stretch alone, so <c>(?!\S)</c> is true at its end.
/// </summary>
internal abstract class Splitter
{
    private readonly UnicodeClasses _classes = UnicodeClasses.Instance;
    private readonly byte[] _flags = UnicodeClasses.Instance.Flags;

    /// <summary>The end (exclusive) of the piece that starts at <paramref name="start"/>; always beyond it.</summary>
    public abstract int Next(ReadOnlySpan<byte> text, int start);

    /// <summary>The kind (letter, number, space or none) of the scalar value at an index, and its length in bytes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected int KindAt(ReadOnlySpan<byte> text, int index, out int length)
    {
        int b = text[index];
        if (b < 0x80)
        {
            length = 1;
            return _flags[b] & UnicodeClasses.Kinds;
        }
        return _classes.Of(Utf8Text.Decode(text, index, out length)) & UnicodeClasses.Kinds;
    }

    /// <summary>The end of the run of scalar values of one kind that starts at or is empty at an index.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    protected int RunEnd(ReadOnlySpan<byte> text, int index, int kind)
    {
        byte[] flags = _flags;
        while ((uint)index < (uint)text.Length)
        {
            int b = text[index];
            if (b < 0x80)
            {
                if ((flags[b] & UnicodeClasses.Kinds) != kind)
                    break;
                index++;
            }
            else
            {
                int scalar = Utf8Text.Decode(text, index, out int length);
                if ((_classes.Of(scalar) & UnicodeClasses.Kinds) != kind)
                    break;
                index += length;
            }
        }
        return index;
    }
}

/// <summary>The <c>Digits</c> pre-tokenizer: isolates each <c>\p{N}</c> (individual) or each run of them.</summary>
internal sealed class DigitsSplitter(bool individual) : Splitter
{
    /// <summary>Whether each digit is a piece of its own.</summary>
    public bool Individual => individual;

    /// <inheritdoc/>
    public override int Next(ReadOnlySpan<byte> text, int start)
    {
        int end = start;
        while (end < text.Length && KindAt(text, end, out int length) != UnicodeClasses.Number)
            end += length;
        if (end > start)
            return end;
        KindAt(text, start, out int first);
        return individual ? start + first : RunEnd(text, start, UnicodeClasses.Number);
    }
}
