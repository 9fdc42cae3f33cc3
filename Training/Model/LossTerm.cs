using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>What a loss term may look at.</summary>
/// <param name="States">The trunk's states after the final norm [rows · length, hidden], in the activation type.</param>
/// <param name="Batch">The micro-batch.</param>
/// <param name="StepRows">The rows with a label in the whole step, for means over all of its micro-batches.</param>
public readonly record struct LossTermInput(Tensor States, TrainingBatch Batch, long StepRows);

/// <summary>
/// An own term of the loss. It adds its gradient by <see cref="Tape.AddGradient"/> to <see cref="LossTermInput.States"/> (memory
/// for it comes from <see cref="Tape.Rent"/>), or to the gradients of parameters, and returns its value for the micro-batch; the
/// values of a step are added up. It is called once for each micro-batch, after the forward pass.
/// </summary>
/// <param name="tape">The tape, before its backward.</param>
/// <param name="input">The states and the batch.</param>
public delegate double LossTerm(Tape tape, LossTermInput input);
