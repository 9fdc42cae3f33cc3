using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>Runs a decoder layer of the model.</summary>
/// <param name="input">The residual stream [T, hidden] before the layer.</param>
/// <param name="layer">
/// Computes the stream after the layer out of that before it, which it releases. It may be called again while batch and
/// workspace of the pass are unchanged.
/// </param>
public delegate Tensor LayerRunner(Tensor input, Func<Tensor, Tensor> layer);

/// <summary>What a forward pass runs on: the kernels, the memory for activations, and a tap or none.</summary>
public sealed class ForwardContext(IForwardKernels kernels, IWorkspace workspace)
{
    /// <summary>The operations.</summary>
    public IForwardKernels Kernels { get; } = kernels;

    /// <summary>Where activations come from.</summary>
    public IWorkspace Workspace { get; } = workspace;

    /// <summary>The hook of a researcher; null costs nothing.</summary>
    public ForwardTap? Tap { get; set; }

    /// <summary>Runs layers in a way of its own, for example to compute them again later; null costs nothing.</summary>
    public LayerRunner? Runner { get; set; }

    internal Tensor Activation(int rows, int columns) => Workspace.Rent(Kernels.ActivationType, new Shape(rows, columns));

    internal Tensor Integers(int count) => Workspace.Rent(DType.I32, new Shape(count));

    internal void Release(Tensor tensor) => Workspace.Release(tensor);

    // The steps that most of the model is made of: an operation whose result is a new activation.

    internal Tensor Multiply(Tensor x, WeightMatrix w)
    {
        Tensor y = Activation(x.Rows, w.Rows);
        Kernels.MatMul(x, w, y);
        return y;
    }

    internal Tensor Norm(Tensor x, Tensor weight, float epsilon)
    {
        Tensor y = Activation(x.Rows, x.Columns);
        Kernels.RmsNorm(x, weight, epsilon, y);
        return y;
    }
}
