using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>
/// Calls of operations that a back end may fuse, as they are or as the composition of elementary operations that they stand for.
/// Each makes the tensors, calls and reads what was written.
/// </summary>
internal static class FusedCalls
{
    /// <summary><see cref="IForwardKernels.Project"/>: q, k and v, one behind the other.</summary>
    public static double[] Project(IForwardKernels kernels, bool isFused, WeightMatrix wq, WeightMatrix wk, WeightMatrix wv, float[] x)
    {
        int rows = x.Length / wq.Columns;
        using WeightMatrix query = kernels.Prepare([wq]), key = kernels.Prepare([wk]), value = kernels.Prepare([wv]);
        using Tensor input = kernels.Input(new Shape(rows, wq.Columns), x), q = kernels.Output(new Shape(rows, wq.Rows));
        using Tensor k = kernels.Output(new Shape(rows, wk.Rows)), v = kernels.Output(new Shape(rows, wv.Rows));
        if (isFused)
            kernels.Project(input, query, key, value, q, k, v);
        else
            Composition.Project(kernels, input, query, key, value, q, k, v);
        return [.. q.Read(), .. k.Read(), .. v.Read()];
    }

    /// <summary><see cref="IForwardKernels.MatMulAdd"/>.</summary>
    public static double[] MatMulAdd(IForwardKernels kernels, IWorkspace workspace, bool isFused, WeightMatrix plain, float[] x, float[] residual)
    {
        int rows = x.Length / plain.Columns;
        using WeightMatrix w = kernels.Prepare([plain]);
        using Tensor input = kernels.Input(new Shape(rows, plain.Columns), x), h = kernels.Input(new Shape(rows, plain.Rows), residual);
        using Tensor y = kernels.Output(h.Shape);
        if (isFused)
            kernels.MatMulAdd(input, w, h, y, workspace);
        else
            Composition.MatMulAdd(kernels, input, w, h, y, workspace);
        return y.Read();
    }

    /// <summary><see cref="IForwardKernels.MatMulSwiGlu"/>; the matrix has gate and up on top of each other.</summary>
    public static double[] MatMulSwiGlu(IForwardKernels kernels, IWorkspace workspace, bool isFused, WeightMatrix plain, float[] x)
    {
        int rows = x.Length / plain.Columns;
        using WeightMatrix gateUp = kernels.Prepare([plain]);
        using Tensor input = kernels.Input(new Shape(rows, plain.Columns), x), y = kernels.Output(new Shape(rows, plain.Rows / 2));
        if (isFused)
            kernels.MatMulSwiGlu(input, gateUp, y, workspace);
        else
            Composition.MatMulSwiGlu(kernels, input, gateUp, y, workspace);
        return y.Read();
    }

    /// <summary><see cref="IForwardKernels.GroupedMatMulSwiGlu"/>: a matrix of gate and up for each expert.</summary>
    public static double[] GroupedMatMulSwiGlu(
        IForwardKernels kernels, IWorkspace workspace, bool isFused, WeightMatrix[] plain, float[] x, int[] order, int slots, int[] offsets)
    {
        int columns = plain[0].Columns;
        WeightMatrix[] experts = [.. plain.Select(w => kernels.Prepare([w]))];
        kernels.Gather(experts);
        using Tensor input = kernels.Input(new Shape(x.Length / columns, columns), x), y = kernels.Output(new Shape(order.Length, plain[0].Rows / 2));
        using Tensor pairs = kernels.Integers(new Shape(order.Length), order), bounds = kernels.Integers(new Shape(offsets.Length), offsets);
        if (isFused)
            kernels.GroupedMatMulSwiGlu(input, pairs, slots, bounds, experts, y, workspace);
        else
            Composition.GroupedMatMulSwiGlu(kernels, input, pairs, slots, bounds, experts, y, workspace);
        double[] result = y.Read();
        foreach (WeightMatrix expert in experts)
            expert.Dispose();
        return result;
    }

    /// <summary><see cref="IForwardKernels.RouteAndDispatch"/>, renormalized: all that it writes, one behind the other.</summary>
    public static double[] RouteAndDispatch(IForwardKernels kernels, bool isFused, float[] logits, int experts, int k, float[]? biases = null)
    {
        int tokens = logits.Length / experts;
        using Tensor x = kernels.Input(new Shape(tokens, experts), logits), p = kernels.Output(x.Shape), w = kernels.Output(new Shape(tokens, k));
        using Tensor? bias = biases is null ? null : kernels.Input(new Shape(experts), biases);
        using Tensor chosen = kernels.Integers(new Shape(tokens, k)), offsets = kernels.Integers(new Shape(experts + 1));
        using Tensor order = kernels.Integers(new Shape(tokens * k)), place = kernels.Integers(new Shape(tokens * k));
        RoutingTensors routing = new(p, chosen, w, offsets, order, place);
        if (isFused)
            kernels.RouteAndDispatch(x, true, routing, bias);
        else
            Composition.RouteAndDispatch(kernels, x, true, routing, bias);
        return [.. p.Read(), .. chosen.Read(), .. w.Read(), .. offsets.Read(), .. order.Read(), .. place.Read()];
    }

    /// <summary><see cref="IForwardKernels.CombineAdd"/> of <paramref name="k"/> rows of <paramref name="width"/> numbers for each token.</summary>
    public static double[] CombineAdd(
        IForwardKernels kernels, IWorkspace workspace, bool isFused, int k, int width, float[] rows, int[] place, float[] weights, float[] residual)
    {
        int tokens = place.Length / k;
        using Tensor x = kernels.Input(new Shape(tokens * k, width), rows), w = kernels.Input(new Shape(tokens, k), weights);
        using Tensor p = kernels.Integers(new Shape(tokens * k), place), h = kernels.Input(new Shape(tokens, width), residual), y = kernels.Output(h.Shape);
        if (isFused)
            kernels.CombineAdd(x, p, w, h, y, workspace);
        else
            Composition.CombineAdd(kernels, x, p, w, h, y, workspace);
        return y.Read();
    }
}
