using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// The operations of the forward pass. Each operation's folder holds its part of this interface (the contract) and one
/// file for each back end. Activations are <see cref="ActivationType"/>, row-major, one row a token; no operation
/// overwrites an input; a row's result does not depend on the other rows of the call.
/// </summary>
public partial interface IForwardKernels
{
    /// <summary>The format of activations: F64 for the reference, F32 elsewhere.</summary>
    DType ActivationType { get; }

    /// <summary>
    /// Where the tensors of every operation are. Operations of a device are queued in order; the host waits only where it reads
    /// (<see cref="Tensor.Read"/>).
    /// </summary>
    Device Device => Device.Cpu;

    /// <summary>One line that says what runs: device, instruction set, threads.</summary>
    string Description { get; }
}
