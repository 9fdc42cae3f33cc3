using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// A back end that rounds activations to E4M3, a scale for each row, before every product by FP8 weights: FP8 units have both
/// operands then. What a checkpoint keeps in a wider format (router, embedding, output head) is multiplied as without it.
/// </summary>
/// <param name="kernels">What computes.</param>
/// <param name="workspace">Where rounded rows are for the time of a product.</param>
public sealed class Float8Kernels(IFloat8Kernels kernels, IWorkspace workspace) : ForwardingKernels(kernels), IForwardKernels
{
    private readonly IFloat8Kernels _kernels = kernels;

    // By name: the reference widens what it prepares, and gathering makes new objects of experts.
    private readonly HashSet<string> _matrices = new(StringComparer.Ordinal);

    /// <inheritdoc/>
    public override string Description => $"{_kernels.Description}, {_kernels.Float8Description}";

    /// <inheritdoc/>
    public override WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts)
    {
        if (parts[0].Format == DType.F8E4M3)
            _matrices.Add(parts[0].Name);
        return _kernels.Prepare(parts);
    }

    /// <inheritdoc/>
    public override void MatMul(Tensor x, WeightMatrix w, Tensor y)
    {
        if (_matrices.Contains(w.Name))
            _kernels.Float8MatMul(x, w, y, workspace);
        else
            _kernels.MatMul(x, w, y);
    }

    /// <inheritdoc/>
    public override void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y)
    {
        if (_matrices.Contains(experts[0].Name))
            _kernels.GroupedFloat8MatMul(x, order, slots, offsets, experts, y, workspace);
        else
            _kernels.GroupedMatMul(x, order, slots, offsets, experts, y);
    }

    /// <inheritdoc/>
    public void Project(Tensor x, WeightMatrix query, WeightMatrix key, WeightMatrix value, Tensor q, Tensor k, Tensor v)
    {
        if (_matrices.Contains(query.Name) && _matrices.Contains(key.Name) && _matrices.Contains(value.Name))
        {
            _kernels.Float8Project(x, query, key, value, q, k, v, workspace);
            return;
        }
        MatMul(x, query, q);
        MatMul(x, key, k);
        MatMul(x, value, v);
    }
}
