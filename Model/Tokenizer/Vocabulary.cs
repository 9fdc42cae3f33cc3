using System.Text;

namespace Mellum2.Managed.Model;

/// <summary>The tokens of a file, by id and by content, and the bytes that each stands for.</summary>
internal sealed class Vocabulary
{
    private readonly string?[] _pieces;
    private readonly bool[] _special;
    private readonly bool[] _validUtf8;
    private readonly int[] _starts;
    private readonly byte[] _bytes;
    private readonly Dictionary<string, int> _ids;

    /// <summary>Creates the vocabulary.</summary>
    /// <param name="ids">All tokens, added ones too; ids may leave gaps.</param>
    /// <param name="size">The highest id + 1.</param>
    /// <param name="specialIds">The ids of special tokens.</param>
    public Vocabulary(Dictionary<string, int> ids, int size, IReadOnlyList<int> specialIds)
    {
        _ids = ids;
        _pieces = new string?[size];
        foreach ((string token, int id) in ids)
            _pieces[id] = token;
        _special = new bool[size];
        foreach (int id in specialIds)
            _special[id] = true;
        SpecialIds = specialIds;

        _starts = new int[size + 1];
        _validUtf8 = new bool[size];
        var bytes = new List<byte>(size * 6);
        for (int id = 0; id < size; id++)
        {
            _starts[id] = bytes.Count;
            if (_pieces[id] is not { } piece)
                continue;
            byte[] own = ByteSymbols.BytesOf(piece, out _);
            bytes.AddRange(own);
            _validUtf8[id] = System.Text.Unicode.Utf8.IsValid(own);
            MaxTokenLength = Math.Max(MaxTokenLength, own.Length);
        }
        _starts[size] = bytes.Count;
        _bytes = [.. bytes];
    }

    /// <summary>The highest id + 1.</summary>
    public int Size => _pieces.Length;

    /// <summary>The bytes of the longest token.</summary>
    public int MaxTokenLength { get; }

    /// <summary>The ids of special tokens, rising.</summary>
    public IReadOnlyList<int> SpecialIds { get; }

    /// <summary>The token as the file writes it, or null where no token has the id.</summary>
    public string? Piece(int id) => (uint)id < (uint)_pieces.Length ? _pieces[id] : null;

    /// <summary>The id of a token as the file writes it.</summary>
    public bool TryGetId(string piece, out int id) => _ids.TryGetValue(piece, out id);

    /// <summary>The bytes of a token; none where no token has the id.</summary>
    public ReadOnlySpan<byte> Bytes(int id) =>
        (uint)id < (uint)_pieces.Length ? _bytes.AsSpan(_starts[id].._starts[id + 1]) : default;

    /// <summary>Whether the bytes of a token (an id that exists) are valid UTF-8 on their own.</summary>
    public bool IsValidUtf8(int id) => _validUtf8[id];

    /// <summary>Whether the id is that of a special token.</summary>
    public bool IsSpecial(int id) => (uint)id < (uint)_special.Length && _special[id];
}
