using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>How a model is loaded.</summary>
public sealed record MellumOptions
{
    /// <summary>
    /// What runs the model: <c>cpu</c>, or a device as <see cref="GpuDevices.Select"/> names them (<c>auto</c>, <c>cuda</c>,
    /// <c>opencl:1</c>, …).
    /// </summary>
    public string Device { get; init; } = "cpu";

    /// <summary>What a device multiplies matrices with; the processor has no choice.</summary>
    public MatrixUnits MatrixUnits { get; init; }

    /// <summary>Threads of the CPU kernels; 0 means one for each processor.</summary>
    public int Threads { get; init; }

    /// <summary>The width of vectors; all give the same bits.</summary>
    public VectorWidth VectorWidth { get; init; }

    /// <summary>Whether the float64 reference kernels run instead of the fast ones: slow, and exact to float64.</summary>
    public bool Reference { get; init; }

    /// <summary>F32 or BF16 for keys and values; null for <see cref="MellumModel.CacheFormat"/>'s own choice.</summary>
    public DType? CacheFormat { get; init; }

    /// <summary>How products round activations.</summary>
    public ProductPrecision Products { get; init; }

    /// <summary>Whether an MTP head is loaded where the checkpoint has one.</summary>
    public bool LoadMtp { get; init; } = true;

    /// <summary>Whether weights that a device has no memory for are refused before anything is allocated there.</summary>
    public bool ChecksMemory { get; init; } = true;

    /// <summary>Told how far loading has come.</summary>
    public IProgress<LoadProgress>? Progress { get; init; }
}
