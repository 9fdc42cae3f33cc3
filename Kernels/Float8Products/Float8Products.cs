using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Products with both operands in 8 bits: weights stay the codes that they are, and activations are rounded to E4M3 with a scale
/// for each row. It is the current scaling of FP8 training (<see cref="Float8Scale"/>) with a row for a tensor, so that a row's
/// result does not depend on its neighbours. Every code is exact in bfloat16 and a product of two is exact in float32: without FP8
/// units a product of the decoded values is the same one, apart from the order of its sums.
/// </summary>
public interface IFloat8Kernels : IForwardKernels
{
    /// <summary>What makes the products of rounded rows, in words.</summary>
    string Float8Description => "products of FP8 rows and weights by their decoded values";

    /// <summary>
    /// Rounds each row to E4M3 and decodes it again: y[t, k] = decode(sat(x[t, k]·s)), s = <see cref="Float8Scale.For"/> of the
    /// row's largest |x[t, k]|. A row with an infinity or a NaN has the scale 1: infinities become ±448, NaN stays. The same bits in every
    /// back end (float64 numbers are rounded to float32 first) but on OpenCL devices whose divisions are not rounded correctly.
    /// </summary>
    /// <param name="x">Numbers [T, K].</param>
    /// <param name="y">The values of the codes [T, K]; it may be x.</param>
    /// <param name="inverses">F32 [T], written: 1/s, what products of each row are multiplied by.</param>
    void RoundRowsToFloat8(Tensor x, Tensor y, Tensor inverses);

    /// <summary>
    /// y[r, n] ← y[r, n]·factors[r'], r' = order[r] / <paramref name="slots"/>, or r where <paramref name="order"/> is null.
    /// </summary>
    /// <param name="y">[R, N], updated.</param>
    /// <param name="order">I32 [R], or null; see <see cref="IForwardKernels.GroupedMatMul"/>.</param>
    /// <param name="slots">How many experts a token has.</param>
    /// <param name="factors">F32 [T].</param>
    void MultiplyRows(Tensor y, Tensor? order, int slots, Tensor factors);

    /// <summary>
    /// y = q(x)·Wᵀ: <see cref="RoundRowsToFloat8"/>, <see cref="IForwardKernels.MatMul"/> of the values, <see cref="MultiplyRows"/> by the
    /// inverses. With the codes q of x and those of W, w[n, k], and their scales,
    /// y[t, n] = (1/s_t)·Σ_b scale[n, b]·Σ_{k in b} q[t, k]·w[n, k], b being blocks of 128 columns.
    /// Against float64 the error is that of the sums alone. On FP8 tensor cores a block's sum is the instruction's own: four steps
    /// of 32 exact products each, which NVIDIA adds with truncation in an order that it does not document; measurements by others
    /// (SageAttention2, arXiv:2411.10958) find 13 bits behind the leading one of the largest term, that is up to
    /// 2⁻¹³·Σ|q·w| for a step. Blocks are added in float32, in order, for every T alike.
    /// </summary>
    /// <param name="x">[T, K].</param>
    /// <param name="w">[N, K], FP8 where the units for it are to be used.</param>
    /// <param name="y">[T, N].</param>
    /// <param name="workspace">Where the rounded rows are.</param>
    void Float8MatMul(Tensor x, WeightMatrix w, Tensor y, IWorkspace workspace) => Float8Composition.MatMul(this, x, w, y, workspace);

    /// <summary>Three <see cref="Float8MatMul"/> of the same rows, which are rounded once.</summary>
    /// <param name="x">[T, K].</param>
    /// <param name="query">[Nq, K].</param>
    /// <param name="key">[Nk, K].</param>
    /// <param name="value">[Nv, K].</param>
    /// <param name="q">[T, Nq].</param>
    /// <param name="k">[T, Nk].</param>
    /// <param name="v">[T, Nv].</param>
    /// <param name="workspace">Where the rounded rows are.</param>
    void Float8Project(
        Tensor x, WeightMatrix query, WeightMatrix key, WeightMatrix value, Tensor q, Tensor k, Tensor v, IWorkspace workspace) =>
        Float8Composition.Project(this, x, query, key, value, q, k, v, workspace);

    /// <summary>
    /// <see cref="IForwardKernels.GroupedMatMul"/> of rounded rows; a row of x is rounded once for all of its experts.
    /// </summary>
    /// <param name="x">Activations [T, K], or [R, K] without <paramref name="order"/>.</param>
    /// <param name="order">I32 [R], or null; see <see cref="IForwardKernels.GroupedMatMul"/>.</param>
    /// <param name="slots">How many experts a token has.</param>
    /// <param name="offsets">I32 [E + 1], from <see cref="IForwardKernels.Dispatch"/>.</param>
    /// <param name="experts">E prepared matrices of one shape and format.</param>
    /// <param name="y">The products [R, N].</param>
    /// <param name="workspace">Where the rounded rows are.</param>
    void GroupedFloat8MatMul(
        Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y, IWorkspace workspace) =>
        Float8Composition.GroupedMatMul(this, x, order, slots, offsets, experts, y, workspace);
}

/// <summary>What the products of <see cref="IFloat8Kernels"/> mean, and what a back end without FP8 units does.</summary>
internal static class Float8Composition
{
    /// <summary><see cref="IFloat8Kernels.Float8MatMul"/>.</summary>
    public static void MatMul(IFloat8Kernels kernels, Tensor x, WeightMatrix w, Tensor y, IWorkspace workspace)
    {
        RoundedRows rows = RoundedRows.Of(kernels, x, workspace);
        kernels.MatMul(rows.Values, w, y);
        kernels.MultiplyRows(y, null, 1, rows.Inverses);
        rows.Release(workspace);
    }

    /// <summary><see cref="IFloat8Kernels.Float8Project"/>.</summary>
    public static void Project(
        IFloat8Kernels kernels, Tensor x, WeightMatrix query, WeightMatrix key, WeightMatrix value, Tensor q, Tensor k, Tensor v,
        IWorkspace workspace)
    {
        RoundedRows rows = RoundedRows.Of(kernels, x, workspace);
        kernels.Project(rows.Values, query, key, value, q, k, v);
        kernels.MultiplyRows(q, null, 1, rows.Inverses);
        kernels.MultiplyRows(k, null, 1, rows.Inverses);
        kernels.MultiplyRows(v, null, 1, rows.Inverses);
        rows.Release(workspace);
    }

    /// <summary><see cref="IFloat8Kernels.GroupedFloat8MatMul"/>.</summary>
    public static void GroupedMatMul(
        IFloat8Kernels kernels, Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y, IWorkspace workspace)
    {
        RoundedRows rows = RoundedRows.Of(kernels, x, workspace);
        kernels.GroupedMatMul(rows.Values, order, slots, offsets, experts, y);
        kernels.MultiplyRows(y, order, slots, rows.Inverses);
        rows.Release(workspace);
    }

    private readonly record struct RoundedRows(Tensor Values, Tensor Inverses)
    {
        public static RoundedRows Of(IFloat8Kernels kernels, Tensor x, IWorkspace workspace)
        {
            RoundedRows rows = new(workspace.Rent(x.Type, x.Shape), workspace.Rent(DType.F32, new Shape(x.Rows)));
            kernels.RoundRowsToFloat8(x, rows.Values, rows.Inverses);
            return rows;
        }

        public void Release(IWorkspace workspace)
        {
            workspace.Release(Values);
            workspace.Release(Inverses);
        }
    }
}

/// <summary>What every back end demands of rows with scales.</summary>
internal static class RowScaleTensors
{
    /// <summary>Checks the two sides of a rounding.</summary>
    public static void CheckRounding(Tensor x, Tensor y, Tensor inverses, DType type)
    {
        if (x.Type != type || y.Type != type || x.Rows != y.Rows || x.Columns != y.Columns)
            throw new ArgumentException($"The rows of {x} cannot be rounded to {y}.");
        if (inverses.Type != DType.F32 || inverses.Count != x.Rows)
            throw new ArgumentException($"{x.Rows} factors of F32 are expected, not {inverses}.");
    }

    /// <summary>Checks that there are rows and factors.</summary>
    public static void CheckFactors(Tensor y, Tensor? order, Tensor factors, DType type)
    {
        if (y.Type != type || (order is null ? factors.Count : order.Count) < y.Rows || factors.Type != DType.F32)
            throw new ArgumentException($"The rows of {y} cannot be multiplied by {factors}.");
    }
}
