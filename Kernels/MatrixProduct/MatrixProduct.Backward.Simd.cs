using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    private NativeBuffer? _gradientProducts;

    /// <inheritdoc cref="ITrainingKernels.MatMulBackwardInput"/>
    public void MatMulBackwardInput(Tensor dy, WeightMatrix w, Tensor dx)
    {
        CheckGradientMatrix(w);
        if (dy.Columns != w.Rows || dx.Columns != w.Columns || dx.Rows != dy.Rows)
            throw new ArgumentException($"A product of dy {dy} and {w.Name} [{w.Rows}, {w.Columns}] cannot be written to dx {dx}.");
        GradientCall call = NewGradientCall(1, w.Columns);
        Add(ref call, InputProduct(dy, w, dx, 0, dy.Rows));
        Multiply(ref call);
    }

    /// <inheritdoc cref="ITrainingKernels.MatMulBackwardWeight"/>
    public void MatMulBackwardWeight(Tensor dy, Tensor x, Tensor dw)
    {
        if (x.Rows != dy.Rows || dw.Columns != x.Columns || dw.Rows != dy.Columns)
            throw new ArgumentException($"The product of dy {dy} and x {x} cannot be added to dw {dw}.");
        GradientCall call = NewGradientCall(1, x.Columns);
        call.Transposed = call.Accumulate = true;
        Add(ref call, WeightProduct(dy, x, null, dw, 0, dy.Rows));
        Multiply(ref call);
    }

    /// <inheritdoc cref="ITrainingKernels.GroupedMatMulBackwardInput"/>
    public void GroupedMatMulBackwardInput(Tensor dy, Tensor offsets, WeightMatrix[] experts, Tensor dx)
    {
        int* offset = offsets.Pointer<int>();
        int rows = offset[experts.Length];
        GradientCall call = NewGradientCall(experts.Length, experts[0].Columns);
        for (int e = 0; e < experts.Length; e++)
        {
            WeightMatrix w = experts[e];
            CheckGradientMatrix(w);
            if (dy.Columns != w.Rows || dx.Columns != w.Columns || dx.Rows < rows || dy.Rows < rows)
                throw new ArgumentException($"A grouped product of dy {dy} and {w.Name} [{w.Rows}, {w.Columns}] cannot be written to dx {dx}.");
            Add(ref call, InputProduct(dy, w, dx, offset[e], offset[e + 1] - offset[e]));
        }
        Multiply(ref call);
    }

    /// <inheritdoc cref="ITrainingKernels.GroupedMatMulBackwardWeight"/>
    public void GroupedMatMulBackwardWeight(Tensor dy, Tensor x, Tensor? order, int slots, Tensor offsets, Tensor[] dw)
    {
        int* offset = offsets.Pointer<int>();
        int rows = offset[dw.Length];
        GradientCall call = NewGradientCall(dw.Length, x.Columns);
        call.Transposed = call.Accumulate = true;
        call.Slots = slots;
        for (int e = 0; e < dw.Length; e++)
        {
            if (dy.Rows < rows || dw[e].Columns != x.Columns || dw[e].Rows != dy.Columns || (order is null && x.Rows < rows))
                throw new ArgumentException($"The grouped product of dy {dy} and x {x} cannot be added to dw {dw[e]}.");
            if (offset[e] < offset[e + 1])
                Add(ref call, WeightProduct(dy, x, order, dw[e], offset[e], offset[e + 1] - offset[e]));
        }
        Multiply(ref call);
    }

    private static void CheckGradientMatrix(WeightMatrix w)
    {
        if (w.Layout != WeightLayout.RowMajor || w.Format != DType.F32)
            throw new ArgumentException($"The backward pass multiplies by row-major matrices of F32; {w.Name} is {w.Layout} of {w.Format}.");
    }

    private static GradientProduct InputProduct(Tensor dy, WeightMatrix w, Tensor dx, int firstRow, int rows) => new()
    {
        A = dy.Pointer<float>() + (long)firstRow * w.Rows,
        AStride = w.Rows,
        B = w.Data.Pointer<float>(),
        C = dx.Pointer<float>() + (long)firstRow * w.Columns,
        Rows = rows,
        Length = w.Rows,
    };

    private static GradientProduct WeightProduct(Tensor dy, Tensor x, Tensor? order, Tensor dw, int firstRow, int rows) => new()
    {
        A = dy.Pointer<float>() + (long)firstRow * dy.Columns,
        AStride = dy.Columns,
        B = x.Pointer<float>() + (order is null ? (long)firstRow * x.Columns : 0),
        Order = order is null ? null : order.Pointer<int>() + firstRow,
        C = dw.Pointer<float>(),
        Rows = dy.Columns,
        Length = rows,
    };

    private GradientCall NewGradientCall(int products, int columns) => new()
    {
        Products = (GradientProduct*)ReserveScratch(ref _gradientProducts, (long)products * sizeof(GradientProduct)),
        Columns = columns,
        Slots = 1,
        Scratch = Scratch,
    };

    // FirstItem of the product after the last is the number of items so far.
    private static void Add(ref GradientCall call, GradientProduct product)
    {
        product.FirstItem = Items(in call);
        call.Products[call.Count++] = product;
    }

    private static int Items(in GradientCall call)
    {
        if (call.Count == 0)
            return 0;
        ref GradientProduct last = ref call.Products[call.Count - 1];
        return checked(last.FirstItem + GradientJob<TLanes>.Items(last.Rows, call.Columns));
    }

    private void Multiply(ref GradientCall call)
    {
        int items = Items(in call);
        if (items == 0)
            return;
        call.Scratch.Reserve(GradientJob<TLanes>.ScratchFloats);
        GradientJob<TLanes> job = new(call);
        ref GradientProduct first = ref call.Products[0];
        bool small = (long)call.Count * first.Rows * first.Length * call.Columns <= SmallProduct;
        _pool.For(ref job, items, small ? items : 1);
    }
}
