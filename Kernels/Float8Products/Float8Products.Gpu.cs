using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly GpuKernel<RoundRowsArguments> _roundRows = new("RoundRowsToFloat8", RoundRowsKernel);
    private readonly GpuKernel<EncodeRowsArguments> _encodeRows = new("EncodeRowsToFloat8", EncodeRowsKernel);
    private readonly GpuKernel<MultiplyRowsArguments> _multiplyRows = new("MultiplyRows", MultiplyRowsKernel);

    /// <inheritdoc/>
    public void RoundRowsToFloat8(Tensor x, Tensor y, Tensor inverses)
    {
        RowScaleTensors.CheckRounding(x, y, inverses, DType.F32);
        RoundRowsArguments arguments = new() { X = x.View<float>(), Y = y.View<float>(), Inverses = inverses.View<float>(), Columns = x.Columns };
        _roundRows.Run(_device, x.Rows, 1, Threads, arguments);
    }

    /// <inheritdoc/>
    public void MultiplyRows(Tensor y, Tensor? order, int slots, Tensor factors)
    {
        RowScaleTensors.CheckFactors(y, order, factors, DType.F32);
        MultiplyRowsArguments arguments = new()
        {
            Y = y.View<float>(),
            Factors = factors.View<float>(),
            // A view of something valid where there is no order: OpenCL takes no empty ones.
            Order = order is null ? factors.Memory.Elements<int>(factors.ByteOffset, factors.Count) : order.View<int>(),
            Gathers = order is null ? 0 : 1,
            Slots = slots,
            Columns = y.Columns,
        };
        _multiplyRows.Run(_device, Groups(y.Count), 1, Threads, arguments);
    }

    /// <inheritdoc/>
    public void Float8MatMul(Tensor x, WeightMatrix w, Tensor y, IWorkspace workspace)
    {
        if (!UsesFloat8Mma(w))
        {
            Float8Composition.MatMul(this, x, w, y, workspace);
            return;
        }
        EncodedRows rows = Encode(x, workspace);
        MmaFloat8Product(WeightView.Of(w), Selection(y), rows, y);
        rows.Release(workspace);
    }

    /// <inheritdoc/>
    public void Float8Project(
        Tensor x, WeightMatrix query, WeightMatrix key, WeightMatrix value, Tensor q, Tensor k, Tensor v, IWorkspace workspace)
    {
        if (!UsesFloat8Mma(query) || !UsesFloat8Mma(key) || !UsesFloat8Mma(value))
        {
            Float8Composition.Project(this, x, query, key, value, q, k, v, workspace);
            return;
        }
        EncodedRows rows = Encode(x, workspace);
        MmaFloat8Product(WeightView.Of(query), Selection(q), rows, q);
        MmaFloat8Product(WeightView.Of(key), Selection(k), rows, k);
        MmaFloat8Product(WeightView.Of(value), Selection(v), rows, v);
        rows.Release(workspace);
    }

    /// <inheritdoc/>
    public void GroupedFloat8MatMul(
        Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y, IWorkspace workspace)
    {
        if (!UsesFloat8Mma(experts[0]))
        {
            Float8Composition.GroupedMatMul(this, x, order, slots, offsets, experts, y, workspace);
            return;
        }
        EncodedRows rows = Encode(x, workspace);
        MmaFloat8Product(WeightView.Of(experts), Selection(y.Rows, order, slots, offsets, experts.Length), rows, y);
        rows.Release(workspace);
    }

    private EncodedRows Encode(Tensor x, IWorkspace workspace)
    {
        int columns = checked((int)PaddedColumns(x.Columns));
        EncodedRows rows = new(workspace.Rent(DType.F8E4M3, new Shape(x.Rows, columns)), workspace.Rent(DType.F32, new Shape(x.Rows)));
        EncodeRowsArguments arguments = new()
        {
            X = x.View<float>(),
            Codes = rows.Codes.Units<uint>(),
            Inverses = rows.Inverses.View<float>(),
            Columns = x.Columns,
            RowWords = columns / sizeof(uint),
        };
        _encodeRows.Run(_device, x.Rows, 1, Threads, arguments);
        return rows;
    }

    /// <summary>One group for each row.</summary>
    private static void RoundRowsKernel(RoundRowsArguments a)
    {
        ArrayView<uint> shared = SharedMemory.Allocate<uint>(Threads);
        long first = (long)Grid.IdxX * a.Columns;
        RowScale scale = DeviceFloat8.ScaleOf(a.X, first, a.Columns, shared);
        if (Group.IdxX == 0)
            a.Inverses[Grid.IdxX] = scale.Inverse;
        for (int k = Group.IdxX; k < a.Columns; k += Threads)
            a.Y[first + k] = DeviceFloat8.Value(DeviceFloat8.Code(a.X[first + k] * scale.Value));
    }

    /// <summary>One group for each row; its words are filled with zeros as a row of weights is.</summary>
    private static void EncodeRowsKernel(EncodeRowsArguments a)
    {
        ArrayView<uint> shared = SharedMemory.Allocate<uint>(Threads);
        long first = (long)Grid.IdxX * a.Columns, words = (long)Grid.IdxX * a.RowWords;
        RowScale scale = DeviceFloat8.ScaleOf(a.X, first, a.Columns, shared);
        // Products of a row with a NaN are NaN, whatever becomes of its code.
        if (Group.IdxX == 0)
            a.Inverses[Grid.IdxX] = scale.HasNaN != 0 ? float.NaN : scale.Inverse;
        for (int i = Group.IdxX; i < a.RowWords; i += Threads)
        {
            uint word = 0;
            for (int j = 0; j < 4; j++)
            {
                int k = 4 * i + j;
                if (k < a.Columns)
                    word |= DeviceFloat8.Code(a.X[first + k] * scale.Value) << (8 * j);
            }
            a.Codes[words + i] = word;
        }
    }

    /// <summary>One thread for each element.</summary>
    private static void MultiplyRowsKernel(MultiplyRowsArguments a)
    {
        long i = (long)Grid.IdxX * Threads + Group.IdxX;
        if (i >= a.Y.Length)
            return;
        int row = (int)(i / a.Columns);
        if (a.Gathers != 0)
            row = a.Order[row] / a.Slots;
        a.Y[i] = a.Y[i] * a.Factors[row];
    }

    /// <summary>Rows as the units for FP8 take them: codes, filled with zeros up to a multiple of 16 columns, and what products are multiplied by.</summary>
    private readonly record struct EncodedRows(Tensor Codes, Tensor Inverses)
    {
        public void Release(IWorkspace workspace)
        {
            workspace.Release(Codes);
            workspace.Release(Inverses);
        }
    }

    internal struct RoundRowsArguments
    {
        public ArrayView<float> X;
        public ArrayView<float> Y;
        public ArrayView<float> Inverses;
        public int Columns;
    }

    internal struct EncodeRowsArguments
    {
        public ArrayView<float> X;
        public ArrayView<uint> Codes;
        public ArrayView<float> Inverses;
        public int Columns;
        public int RowWords;
    }

    internal struct MultiplyRowsArguments
    {
        public ArrayView<float> Y;
        public ArrayView<float> Factors;
        public ArrayView<int> Order;
        public int Gathers;
        public int Slots;
        public int Columns;
    }
}
