using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    private NativeBuffer? _blockProducts;

    /// <inheritdoc cref="ITrainingKernels.MatMulBackwardInput"/>
    public void MatMulBackwardInput(Tensor dy, WeightMatrix w, Tensor dx)
    {
        CheckGradientMatrix(w);
        if (dy.Columns != w.Rows || dx.Columns != w.Columns || dx.Rows != dy.Rows)
            throw new ArgumentException($"A product of dy {dy} and {w.Name} [{w.Rows}, {w.Columns}] cannot be written to dx {dx}.");
        BlockCall call = NewBlockCall(BlockForm.InputGradient, 1, w.Columns);
        Add(ref call, InputProduct(dy, w, dx, 0, dy.Rows));
        Multiply(ref call);
    }

    /// <inheritdoc cref="ITrainingKernels.MatMulBackwardWeight"/>
    public void MatMulBackwardWeight(Tensor dy, Tensor x, Tensor dw)
    {
        if (x.Rows != dy.Rows || dw.Columns != x.Columns || dw.Rows != dy.Columns)
            throw new ArgumentException($"The product of dy {dy} and x {x} cannot be added to dw {dw}.");
        BlockCall call = NewBlockCall(BlockForm.WeightGradient, 1, x.Columns);
        Add(ref call, WeightProduct(dy, x, null, dw, 0, dy.Rows));
        Multiply(ref call);
    }

    /// <inheritdoc cref="ITrainingKernels.GroupedMatMulBackwardInput"/>
    public void GroupedMatMulBackwardInput(Tensor dy, Tensor offsets, WeightMatrix[] experts, Tensor dx)
    {
        int* offset = offsets.Pointer<int>();
        int rows = offset[experts.Length];
        BlockCall call = NewBlockCall(BlockForm.InputGradient, experts.Length, experts[0].Columns);
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
        BlockCall call = NewBlockCall(BlockForm.WeightGradient, dw.Length, x.Columns, slots);
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

    private static BlockProduct ForwardProduct(in ProductRows x, WeightMatrix w, Tensor y, int firstRow, int rows) => new()
    {
        A = (float*)x.X + (x.Order == 0 ? (long)firstRow * x.Columns : 0),
        AStride = x.Columns,
        B = w.Data.Pointer<float>(),
        BStride = w.Columns,
        Order = x.Order == 0 ? null : (int*)x.Order + firstRow,
        C = y.Pointer<float>() + (long)firstRow * w.Rows,
        Rows = rows,
        Length = w.Columns,
    };

    private static BlockProduct InputProduct(Tensor dy, WeightMatrix w, Tensor dx, int firstRow, int rows) => new()
    {
        A = dy.Pointer<float>() + (long)firstRow * w.Rows,
        AStride = w.Rows,
        B = w.Data.Pointer<float>(),
        BStride = w.Columns,
        C = dx.Pointer<float>() + (long)firstRow * w.Columns,
        Rows = rows,
        Length = w.Rows,
    };

    private static BlockProduct WeightProduct(Tensor dy, Tensor x, Tensor? order, Tensor dw, int firstRow, int rows) => new()
    {
        A = dy.Pointer<float>() + (long)firstRow * dy.Columns,
        AStride = dy.Columns,
        B = x.Pointer<float>() + (order is null ? (long)firstRow * x.Columns : 0),
        BStride = x.Columns,
        Order = order is null ? null : order.Pointer<int>() + firstRow,
        C = dw.Pointer<float>(),
        Rows = dy.Columns,
        Length = rows,
    };

    private BlockCall NewBlockCall(BlockForm form, int products, int columns, int slots = 1) => new()
    {
        Products = (BlockProduct*)ReserveScratch(ref _blockProducts, (long)products * sizeof(BlockProduct)),
        Form = form,
        Columns = columns,
        Slots = slots,
        Scratch = Scratch,
    };

    private static void Add(ref BlockCall call, BlockProduct product) => call.Products[call.Count++] = product;

    // A few items for each worker balance the load; beyond that, blocks are as large as they may be.
    private const int ItemsPerWorker = 4;

    private void Multiply(ref BlockCall call)
    {
        int mostRows = BlockProductJob<TLanes>.MaxRows, items;
        call.BlockColumns = BlockProductJob<TLanes>.MaxColumns;
        while ((items = Divide(ref call, mostRows, _pool.Count)) < ItemsPerWorker * _pool.Count && _pool.Count > 1)
        {
            if (call.BlockColumns > Math.Max(mostRows, PanelLayout.TileColumns))
                call.BlockColumns = call.BlockColumns / 2;
            else if (mostRows > TiledProduct<TLanes, SinglePanels<TLanes>>.MaxHeight)
                mostRows /= 2;
            else
                break;
        }
        double work = 0;
        for (int i = 0; i < call.Count; i++)
            work += (double)call.Products[i].Rows * call.Products[i].Length * call.Columns;
        call.Scratch.Reserve(BlockProductJob<TLanes>.ScratchFloats);
        BlockProductJob<TLanes> job = new(call);
        _pool.For(ref job, items, work <= SmallProduct ? items : 1);
    }

    // Numbers the items; returns how many there are. A product alone has as many blocks of rows for each worker.
    private static int Divide(ref BlockCall call, int mostRows, int workers)
    {
        int columnBlocks = (call.Columns + call.BlockColumns - 1) / call.BlockColumns, items = 0;
        for (int i = 0; i < call.Count; i++)
        {
            ref BlockProduct product = ref call.Products[i];
            product.BlockRows = BlockProductJob<TLanes>.BlockRows(product.Rows, mostRows, call.Count == 1 ? workers : 1);
            product.FirstItem = items;
            items = checked(items + (product.Rows + product.BlockRows - 1) / product.BlockRows * columnBlocks);
        }
        return items;
    }
}
