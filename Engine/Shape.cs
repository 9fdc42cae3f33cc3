using System.Globalization;

namespace Mellum2.Managed.Engine;

/// <summary>The lengths of up to four dimensions; the last one is contiguous in memory.</summary>
public readonly record struct Shape
{
    private readonly int _d0;
    private readonly int _d1;
    private readonly int _d2;
    private readonly int _d3;

    /// <summary>A vector.</summary>
    public Shape(int d0) : this(1, d0, 1, 1, 1) { }

    /// <summary>A matrix.</summary>
    public Shape(int d0, int d1) : this(2, d0, d1, 1, 1) { }

    /// <summary>Three dimensions.</summary>
    public Shape(int d0, int d1, int d2) : this(3, d0, d1, d2, 1) { }

    /// <summary>Four dimensions.</summary>
    public Shape(int d0, int d1, int d2, int d3) : this(4, d0, d1, d2, d3) { }

    private Shape(int rank, int d0, int d1, int d2, int d3)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(d0);
        ArgumentOutOfRangeException.ThrowIfNegative(d1);
        ArgumentOutOfRangeException.ThrowIfNegative(d2);
        ArgumentOutOfRangeException.ThrowIfNegative(d3);
        (Rank, _d0, _d1, _d2, _d3) = (rank, d0, d1, d2, d3);
    }

    /// <summary>A scalar has rank 0 and one element; so has <c>default</c>.</summary>
    public int Rank { get; }

    /// <summary>The number of elements.</summary>
    public long Count => Rank == 0 ? 1 : checked((long)_d0 * _d1 * _d2 * _d3);

    /// <summary>The length of the last dimension; 1 for a scalar.</summary>
    public int Columns => Rank == 0 ? 1 : this[Rank - 1];

    /// <summary>The product of all dimensions but the last.</summary>
    public int Rows => Rank switch { 0 or 1 => 1, 2 => _d0, 3 => checked(_d0 * _d1), _ => checked(_d0 * _d1 * _d2) };

    /// <summary>The length of dimension <paramref name="axis"/>.</summary>
    public int this[int axis]
    {
        get
        {
            if ((uint)axis >= (uint)Rank)
                throw new ArgumentOutOfRangeException(nameof(axis));
            return axis switch { 0 => _d0, 1 => _d1, 2 => _d2, _ => _d3 };
        }
    }

    /// <summary>The shape with these dimensions.</summary>
    /// <exception cref="ArgumentException">There are more than four.</exception>
    public static Shape Of(ReadOnlySpan<int> dimensions) => dimensions.Length switch
    {
        0 => default,
        1 => new(dimensions[0]),
        2 => new(dimensions[0], dimensions[1]),
        3 => new(dimensions[0], dimensions[1], dimensions[2]),
        4 => new(dimensions[0], dimensions[1], dimensions[2], dimensions[3]),
        _ => throw new ArgumentException($"A shape has at most four dimensions, not {dimensions.Length}."),
    };

    /// <inheritdoc/>
    public override string ToString()
    {
        string[] parts = new string[Rank];
        for (int i = 0; i < Rank; i++)
            parts[i] = this[i].ToString(CultureInfo.InvariantCulture);
        return $"[{string.Join(", ", parts)}]";
    }
}
