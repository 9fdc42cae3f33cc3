namespace Mellum2.Managed.Kernels;

/// <summary>
/// The operations of training: the forward pass and the backward of each of its operations.
/// <para>
/// One rule for every gradient: gradients of activations are written, whatever was there before; gradients of parameters
/// (of weight matrices, norm weights and the embedding) are added to what is there, so that several uses and several
/// micro-batches accumulate. All gradients are <see cref="IForwardKernels.ActivationType"/>, row-major.
/// </para>
/// <para>
/// Sums over tokens run in the order of the rows, in one chain or in blocks of a fixed number of rows that are combined in
/// order: the same bits for every vector width and number of threads. There are no atomics.
/// </para>
/// <para>
/// A weight matrix in training is row-major [out, in] in the activation type (F32; F64 for the reference). The forward
/// products take the same matrix, so that an update of its data needs no preparation.
/// </para>
/// </summary>
public partial interface ITrainingKernels : IForwardKernels
{
}
