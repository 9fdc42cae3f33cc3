using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>What the CPU back ends ask of targets.</summary>
internal static class CrossEntropyTargets
{
    /// <exception cref="ArgumentOutOfRangeException">A target is neither a token nor the mark of an ignored row.</exception>
    public static void Check(Tensor targets, int vocabulary)
    {
        foreach (int target in targets.Span<int>())
            if (target != CrossEntropyParameters.Ignored && (uint)target >= (uint)vocabulary)
                throw new ArgumentOutOfRangeException(nameof(targets), $"Target {target} is no token of a vocabulary of {vocabulary}.");
    }
}
