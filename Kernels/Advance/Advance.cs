using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public partial interface IForwardKernels
{
    /// <summary>
    /// counters[i] += count, in place: moves the positions of a decoding loop on where the kernels have them, so that what is
    /// queued for a token is the same for every token.
    /// </summary>
    /// <param name="counters">I32; changed.</param>
    /// <param name="count">What is added.</param>
    void Advance(Tensor counters, int count);
}
