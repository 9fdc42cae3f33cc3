using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>A parameter as optimizers see it: a master weight in the kernels' activation type and its gradient.</summary>
/// <param name="Name">The checkpoint's name for it.</param>
/// <param name="Weight">The weight, updated in place.</param>
/// <param name="Gradient">The sum of its gradients, in the same shape.</param>
public sealed record OptimizerParameter(string Name, Tensor Weight, Tensor Gradient);
