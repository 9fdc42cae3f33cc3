using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>How products round the activations that they take; their sums and results are float32 in all of them.</summary>
public enum ProductPrecision
{
    /// <summary>Not at all.</summary>
    F32,

    /// <summary>
    /// To bfloat16, as BF16 training does (<see cref="BFloat16Kernels"/>): a model that was trained in BF16 is then sampled with
    /// exactly the numbers of its training. Takes F32 and BF16 weights.
    /// </summary>
    BF16,

    /// <summary>
    /// To E4M3 where the weights are <see cref="DType.F8E4M3"/>, with a scale for each row (<see cref="Float8Kernels"/>): what FP8
    /// tensor cores multiply. Takes checkpoints with FP8 weights.
    /// </summary>
    FP8,
}
