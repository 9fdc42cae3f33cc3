using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// What the fused operations mean: elementary operations of the same back end. They are the defaults of
/// <see cref="IForwardKernels"/> and what a back end falls back to where it has no fused kernel.
/// </summary>
internal static class Composition
{
    /// <summary><see cref="IForwardKernels.Project"/>.</summary>
    public static void Project(
        IForwardKernels kernels, Tensor x, WeightMatrix query, WeightMatrix key, WeightMatrix value, Tensor q, Tensor k, Tensor v)
    {
        kernels.MatMul(x, query, q);
        kernels.MatMul(x, key, k);
        kernels.MatMul(x, value, v);
    }

    /// <summary><see cref="IForwardKernels.NormalizeAndRotate"/>.</summary>
    public static void NormalizeAndRotate(
        IForwardKernels kernels, in HeadTensors heads, float epsilon, Tensor table, SequenceRows rows, KvLayer? cache, IWorkspace workspace)
    {
        Rotate(kernels, heads.Queries, heads.QueryNorm, epsilon, table, heads.RotatedQueries, workspace);
        Rotate(kernels, heads.Keys, heads.KeyNorm, epsilon, table, heads.RotatedKeys, workspace);
        if (cache is not null)
            kernels.AppendKeyValues(heads.RotatedKeys, heads.Values, rows, cache);
    }

    /// <summary><see cref="IForwardKernels.MatMulAdd"/>.</summary>
    public static void MatMulAdd(IForwardKernels kernels, Tensor x, WeightMatrix w, Tensor residual, Tensor y, IWorkspace workspace)
    {
        Tensor product = workspace.Rent(y.Type, y.Shape);
        kernels.MatMul(x, w, product);
        kernels.Add(residual, product, y);
        workspace.Release(product);
    }

    /// <summary><see cref="IForwardKernels.MatMulSwiGlu"/>.</summary>
    public static void MatMulSwiGlu(IForwardKernels kernels, Tensor x, WeightMatrix gateUp, Tensor y, IWorkspace workspace)
    {
        Tensor product = workspace.Rent(y.Type, new Shape(y.Rows, gateUp.Rows));
        kernels.MatMul(x, gateUp, product);
        kernels.SwiGlu(product, y);
        workspace.Release(product);
    }

    /// <summary><see cref="IForwardKernels.GroupedMatMulSwiGlu"/>.</summary>
    public static void GroupedMatMulSwiGlu(
        IForwardKernels kernels, Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y, IWorkspace workspace)
    {
        Tensor product = workspace.Rent(y.Type, new Shape(y.Rows, experts[0].Rows));
        kernels.GroupedMatMul(x, order, slots, offsets, experts, product);
        kernels.SwiGlu(product, y);
        workspace.Release(product);
    }

    /// <summary><see cref="IForwardKernels.RouteAndDispatch"/>.</summary>
    public static void RouteAndDispatch(IForwardKernels kernels, Tensor logits, bool renormalize, in RoutingTensors routing, Tensor? bias)
    {
        kernels.Route(logits, routing.Weights.Columns, renormalize, routing.Probabilities, routing.Experts, routing.Weights, bias);
        kernels.Dispatch(routing.Experts, routing.Offsets, routing.Order, routing.Place);
    }

    /// <summary><see cref="IForwardKernels.CombineAdd"/>.</summary>
    public static void CombineAdd(
        IForwardKernels kernels, Tensor rows, Tensor place, Tensor weights, Tensor residual, Tensor y, IWorkspace workspace)
    {
        Tensor combined = workspace.Rent(y.Type, y.Shape);
        kernels.Combine(rows, place, weights, combined);
        kernels.Add(residual, combined, y);
        workspace.Release(combined);
    }

    private static void Rotate(
        IForwardKernels kernels, Tensor x, Tensor norm, float epsilon, Tensor table, Tensor rotated, IWorkspace workspace)
    {
        Tensor normed = workspace.Rent(x.Type, x.Shape);
        kernels.RmsNorm(x, norm, epsilon, normed);
        kernels.Rope(normed, table, rotated);
        workspace.Release(normed);
    }
}
