namespace Mellum2.Managed.Kernels;

/// <summary>
/// The operations of optimizers and of number formats that training narrows to. Each operation's folder holds its part of this
/// interface and one file for each back end; every back end that has it also is an <see cref="IForwardKernels"/>, in whose
/// <see cref="IForwardKernels.ActivationType"/> the tensors are. Results do not depend on the number of threads.
/// Weights and optimizer state are updated in place.
/// </summary>
public partial interface IOptimizerKernels : IForwardKernels;
