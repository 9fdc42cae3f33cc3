using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Where the weights of a <see cref="WeightLayout.Panels"/> matrix lie. Rows are grouped into panels; a panel is
/// [⌈K / g⌉][rows of the panel] dwords, and a dword holds the g weights of one row at g consecutive columns (g = 1 for
/// 32-bit formats, 2 for 16-bit, 4 for 8-bit; the first column in the lowest bits). So one load serves sixteen rows, the
/// activation is broadcast, nothing is summed across lanes, and a panel is one contiguous stream.
/// </summary>
internal readonly struct PanelLayout
{
    /// <summary>The lanes of a vector: the last panel of a narrow format has a multiple of them.</summary>
    public const int Lanes = 16;

    /// <summary>The rows that a tile kernel takes at once, and a panel of 32-bit weights.</summary>
    public const int TileColumns = 32;

    /// <summary>
    /// Describes a matrix of <paramref name="rows"/> × <paramref name="columns"/> weights; a row-major one, which is cut
    /// into groups of rows in the same way, has no padding.
    /// </summary>
    public PanelLayout(DType format, int rows, int columns, WeightLayout layout = WeightLayout.Panels)
    {
        int size = format.Size();
        Rows = rows;
        Columns = columns;
        Group = sizeof(uint) / size;
        // Four vectors of rows give a decoding kernel four independent chains; float32 panels feed the tiles as they are.
        PanelRows = size == sizeof(float) ? TileColumns : 4 * Lanes;
        int multiple = layout == WeightLayout.RowMajor ? 1 : size == sizeof(float) ? TileColumns : Lanes;
        PaddedRows = checked((rows + multiple - 1) / multiple * multiple);
        Dwords = (columns + Group - 1) / Group;
    }

    /// <summary>The rows of the matrix.</summary>
    public int Rows { get; }

    /// <summary>The columns of the matrix.</summary>
    public int Columns { get; }

    /// <summary>The weights of a dword.</summary>
    public int Group { get; }

    /// <summary>The rows of every panel but possibly the last.</summary>
    public int PanelRows { get; }

    /// <summary>The rows with the zero rows that fill the last panel.</summary>
    public int PaddedRows { get; }

    /// <summary>The dwords of a row.</summary>
    public int Dwords { get; }

    /// <summary>The number of panels.</summary>
    public int Panels => (PaddedRows + PanelRows - 1) / PanelRows;

    /// <summary>The rows of <paramref name="panel"/>, padding included.</summary>
    public int Width(int panel) => Math.Min(PanelRows, PaddedRows - panel * PanelRows);

    /// <summary>The first dword of <paramref name="panel"/>.</summary>
    public long Offset(int panel) => (long)panel * PanelRows * Dwords;

    /// <summary>How many blocks of columns have scales of their own.</summary>
    public int ScaleBlocks(ScaleKind kind) =>
        kind == ScaleKind.Block ? Math.Max(1, (Columns + WeightScales.BlockSize - 1) / WeightScales.BlockSize) : 1;
}
