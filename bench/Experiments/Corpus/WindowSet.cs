using System.Text;

namespace Mellum2.Managed.Bench;

/// <summary>
/// Every window of a fixed number of characters of some texts, whitespace folded to one space, so that another text can be
/// asked whether it shares one. Windows are compared by a 64-bit rolling hash and then character by character.
/// </summary>
public sealed class WindowSet(int length)
{
    private const ulong Base = 0x9E3779B97F4A7C15;

    private readonly Dictionary<ulong, (int Text, int Start)> _windows = [];
    private readonly List<string> _texts = [];

    /// <summary>How many different windows there are.</summary>
    public int Count => _windows.Count;

    /// <summary>Adds all windows of a text.</summary>
    public void Add(string text)
    {
        string folded = Fold(text);
        _texts.Add(folded);
        Roll(folded, (hash, start) =>
        {
            _windows.TryAdd(hash, (_texts.Count - 1, start));
            return true;
        });
    }

    /// <summary>Whether a text shares a window.</summary>
    public bool Touches(string text)
    {
        string folded = Fold(text);
        bool found = false;
        Roll(folded, (hash, start) =>
        {
            found = _windows.TryGetValue(hash, out var known)
                && folded.AsSpan(start, length).SequenceEqual(_texts[known.Text].AsSpan(known.Start, length));
            return !found;
        });
        return found;
    }

    /// <summary>The share of a text's sampled windows (one in 32, by hash) that are in a set of hashes; then adds them to it.</summary>
    /// <remarks>Shows copies of a file that differ in a few lines. A text shorter than a window has none and counts as new.</remarks>
    public static double SeenShare(string text, int length, HashSet<ulong> seen)
    {
        List<ulong> sampled = [];
        new WindowSet(length).Roll(Fold(text), (hash, _) =>
        {
            if (hash >> 59 == 0)
                sampled.Add(hash);
            return true;
        });
        int known = sampled.Count(seen.Contains);
        seen.UnionWith(sampled);
        return sampled.Count == 0 ? 0 : (double)known / sampled.Count;
    }

    private static string Fold(string text)
    {
        StringBuilder folded = new(text.Length);
        bool space = false;
        foreach (char c in text)
        {
            bool white = char.IsWhiteSpace(c);
            if (!white)
                folded.Append(c);
            else if (!space)
                folded.Append(' ');
            space = white;
        }
        return folded.ToString();
    }

    private void Roll(string text, Func<ulong, int, bool> visit)
    {
        ulong hash = 0, leaving = 1;
        for (int i = 0; i < length; i++)
            leaving *= Base;
        for (int i = 0; i < text.Length; i++)
        {
            hash = hash * Base + text[i] + 1;
            if (i >= length)
                hash -= leaving * (text[i - length] + 1UL);
            if (i >= length - 1 && !visit(Mix(hash), i - length + 1))
                return;
        }
    }

    private static ulong Mix(ulong hash)
    {
        hash ^= hash >> 31;
        hash *= 0xBF58476D1CE4E5B9;
        return hash ^ (hash >> 29);
    }
}
