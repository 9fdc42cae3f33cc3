using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Which weights share a scale.</summary>
public enum ScaleKind
{
    /// <summary>The whole matrix: shape [1].</summary>
    Tensor,

    /// <summary>A row: shape [out, 1].</summary>
    Row,

    /// <summary>A block of 128 × 128: shape [⌈out/128⌉, ⌈in/128⌉].</summary>
    Block,

    /// <summary>
    /// The rows of a panel in a block of 128 columns, or in all columns where there is one block: shape [panels, blocks].
    /// </summary>
    Panel,

    /// <summary>As <see cref="Panel"/>, with one factor for each row of the panel: shape [panels, blocks, panel rows].</summary>
    PanelRow,

    /// <summary>
    /// A row in a block of 128 columns, or in all columns where there is one block: shape [out, blocks]; on devices.
    /// </summary>
    RowBlock,
}

/// <summary>The factors of a scaled matrix: weight = float32(code) · scale, rounded to float32 once.</summary>
/// <param name="Kind">Which weights share a factor.</param>
/// <param name="Values">The factors, F32.</param>
public sealed record WeightScales(ScaleKind Kind, Tensor Values)
{
    /// <summary>The rows and columns of a <see cref="ScaleKind.Block"/>.</summary>
    public const int BlockSize = 128;

    /// <summary>The largest magnitude among the factors of a prepared matrix: it decides how kernels may fold them.</summary>
    public float Largest { get; init; }

    /// <summary>The factor of the weight at (row, column); for the layouts of a checkpoint.</summary>
    public unsafe float At(int row, int column) => Kind switch
    {
        ScaleKind.Tensor => *Values.Pointer<float>(),
        ScaleKind.Row => Values.Pointer<float>()[row],
        ScaleKind.Block => Values.Pointer<float>()[(long)(row / BlockSize) * Values.Columns + column / BlockSize],
        _ => throw new InvalidOperationException($"Scales of kind {Kind} belong to panels, not to a row-major matrix."),
    };
}
