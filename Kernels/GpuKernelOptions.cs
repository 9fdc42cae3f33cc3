namespace Mellum2.Managed.Kernels;

/// <summary>What <see cref="GpuKernels"/> multiply matrices with.</summary>
public enum MatrixUnits
{
    /// <summary>
    /// Tensor cores where the device is CUDA of compute capability 8.0 or later, for BF16 and FP8 weights; else float32 arithmetic.
    /// </summary>
    Automatic,

    /// <summary>Float32 arithmetic.</summary>
    None,

    /// <summary>
    /// The kernels for tensor cores with their instructions simulated, on any device: to check them, slowly.
    /// </summary>
    Simulated,
}

/// <summary>How <see cref="GpuKernels"/> compute.</summary>
public sealed record GpuKernelOptions
{
    /// <summary>What matrices are multiplied with.</summary>
    public MatrixUnits MatrixUnits { get; init; }
}
