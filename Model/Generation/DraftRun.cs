namespace Mellum2.Managed.Model;

/// <summary>
/// The drafts of one pass: up to <see cref="Capacity"/> tokens and, for each, the distribution it was drawn from.
/// </summary>
public sealed class DraftRun(int capacity, int vocabulary)
{
    private readonly int[] _ids = new int[capacity];
    private readonly float[]?[] _probabilities = new float[capacity][];
    private readonly bool[] _certain = new bool[capacity];

    /// <summary>The most drafts of a pass.</summary>
    public int Capacity => _ids.Length;

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>The drafted tokens.</summary>
    public ReadOnlySpan<int> Ids => _ids.AsSpan(0, Count);

    /// <summary>Whether draft <paramref name="index"/> came from a point mass: q is one at it.</summary>
    public bool IsCertain(int index) => _certain[index];

    /// <summary>The distribution of draft <paramref name="index"/>, to be written before <see cref="AddDrawn"/>.</summary>
    public Span<float> Probabilities(int index) => _probabilities[index] ??= new float[vocabulary];

    /// <summary>Forgets all.</summary>
    public void Clear() => Count = 0;

    /// <summary>Adds a draft that was chosen, not drawn.</summary>
    public void AddCertain(int id)
    {
        _certain[Count] = true;
        _ids[Count++] = id;
    }

    /// <summary>Adds a draft that was drawn from the <see cref="Probabilities"/> at its index.</summary>
    public void AddDrawn(int id)
    {
        _certain[Count] = false;
        _ids[Count++] = id;
    }
}
