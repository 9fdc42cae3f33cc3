using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// The definition of every operation: scalar float64 on one thread, written to be read. Weights and caches are
/// widened to float64 exactly; every other back end is tested against these methods.
/// </summary>
public sealed partial class ReferenceKernels : ITrainingKernels, IFloat8Kernels
{
    /// <inheritdoc/>
    public DType ActivationType => DType.F64;

    /// <inheritdoc/>
    public string Description => "cpu, float64 reference kernels, 1 thread";
}
