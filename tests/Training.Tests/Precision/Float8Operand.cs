using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training.Tests;

/// <summary>A matrix in 8 bits: what the forward pass leaves for the backward pass.</summary>
/// <param name="Codes">The codes; their format says whether they are E4M3 or E5M2.</param>
/// <param name="Maximum">amax of the numbers.</param>
/// <param name="Scale">The scale.</param>
internal readonly record struct Float8Operand(Tensor Codes, float Maximum, Float8Scale Scale);
