using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.GpuCheck;

/// <summary>How far a result may be from the definition: |got − want| ≤ Relative · |want| + Absolute, or exactly the same.</summary>
/// <param name="Relative">The share of the wanted number, or of the number in <paramref name="Magnitudes"/>.</param>
/// <param name="Absolute">What it may be off besides.</param>
/// <param name="Magnitudes">What <paramref name="Relative"/> is a share of; null for the wanted numbers.</param>
internal readonly record struct Bound(double Relative, double Absolute, double[]? Magnitudes = null)
{
    /// <summary>The float32 number next to the wanted one.</summary>
    public static Bound Exact => default;

    public bool IsExact => Relative == 0 && Absolute == 0;

    public double Allowed(int i, double want) => Relative * (Magnitudes is null ? Math.Abs(want) : Magnitudes[i]) + Absolute;
}

/// <summary>One call of an operation, by the definition in float64 and on the device.</summary>
/// <param name="What">Shape and format.</param>
/// <param name="Bound">How far apart the results may be.</param>
/// <param name="Run">Makes the tensors of some kernels, calls the operation and reads what comes out.</param>
internal sealed record OperationCase(string What, Bound Bound, Func<IForwardKernels, double[]> Run)
{
    /// <summary>What the device multiplies with.</summary>
    public MatrixUnits Units { get; init; } = MatrixUnits.None;

    /// <summary>The same on the device in another way, which has to give the same bits; null where there is none.</summary>
    public Func<IForwardKernels, double[]>? Same { get; init; }
}
