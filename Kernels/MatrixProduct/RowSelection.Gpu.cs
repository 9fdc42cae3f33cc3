using ILGPU;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Which rows of x are multiplied by which matrix. The host does not know how many rows an expert has: it starts as many
/// tiles as there could be, each looks for its expert, and those that find none end.
/// </summary>
internal struct RowSelection
{
    /// <summary>The rows of y.</summary>
    public int Count;

    /// <summary>The experts; 0 for one matrix and all rows.</summary>
    public int Experts;

    /// <summary>The rows of expert e begin at element e.</summary>
    public ArrayView<int> Offsets;

    /// <summary>Which pair each row of y serves, if <see cref="Gathers"/> is not 0.</summary>
    public ArrayView<int> Order;

    /// <summary>Whether row r of x' is row order[r] / slots of x; else it is row r.</summary>
    public int Gathers;

    /// <summary>Experts per token.</summary>
    public int Slots;

    /// <summary>The tiles of <paramref name="size"/> rows that may be needed.</summary>
    public readonly int Tiles(int size)
    {
        int whole = (Count + size - 1) / size;
        return Experts == 0 ? whole : Math.Min(Count, whole + Experts - 1);
    }

    /// <summary>The rows of tile <paramref name="index"/>.</summary>
    public readonly RowTile Find(int index, int size)
    {
        RowTile tile = default;
        if (Experts == 0)
        {
            tile.Begin = index * size;
            tile.End = tile.Begin + size < Count ? tile.Begin + size : Count;
            return tile;
        }
        int before = 0;
        for (int e = 0; e < Experts; e++)
        {
            int begin = Offsets[e], end = Offsets[e + 1], tiles = (end - begin + size - 1) / size;
            if (index >= before && index < before + tiles)
            {
                tile.Expert = e;
                tile.Begin = begin + (index - before) * size;
                tile.End = tile.Begin + size < end ? tile.Begin + size : end;
            }
            before += tiles;
        }
        return tile;
    }

    /// <summary>The row of x for row <paramref name="row"/> of y.</summary>
    public readonly int Source(int row) => Gathers == 0 ? row : Order[row] / Slots;
}

/// <summary>Rows of y that share a matrix; none where end is not above begin.</summary>
internal struct RowTile
{
    /// <summary>Whose matrix it is.</summary>
    public int Expert;

    /// <summary>The first row.</summary>
    public int Begin;

    /// <summary>The row after the last.</summary>
    public int End;
}
