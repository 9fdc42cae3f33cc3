using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    // Rows of a segment of a tiled product: a multiple of the largest tile whose packed chunk stays in the second-level cache.
    private const int SegmentRows = 182;

    private const int SmallestSegment = 8;

    // Packed rows that exist at once; longer products go in batches.
    private const long PackedFloatsLimit = 8 << 20;

    // What one worker does alone faster than a fork and join takes.
    private const long SmallProduct = 1 << 16;
    private const long SmallBytes = 1 << 15;

    private ProductScratch? _product;

    /// <inheritdoc cref="IForwardKernels.MatMul"/>
    /// <remarks>Besides prepared matrices, <paramref name="w"/> may be row-major F32; it is packed at each call.</remarks>
    public void MatMul(Tensor x, WeightMatrix w, Tensor y)
    {
        CheckProduct(x, w, y);
        if (x.Columns != w.Columns || y.Rows != x.Rows)
            throw new ArgumentException($"A product of x {x} and {w.Name} [{w.Rows}, {w.Columns}] cannot be written to y {y}.");
        if (x.Rows == 0 || w.Rows == 0)
            return;
        ProductCall call = NewCall(x, null, 1, w, y);
        if (w.Layout == WeightLayout.RowMajor)
        {
            BlockCall blocks = NewBlockCall(BlockForm.Forward, 1, w.Rows);
            Add(ref blocks, ForwardProduct(in call.Rows, w, y, 0, x.Rows));
            Multiply(ref blocks);
            return;
        }
        call.Segments = Scratch.Segments(x.Rows / SmallestSegment + 1);
        bool direct = x.Rows <= DirectLimit(w.Format, in call.Layout);
        AddSegments(ref call, w, 0, x.Rows, direct);
        Multiply(ref call, w, direct, Largest(w));
    }

    /// <inheritdoc cref="IForwardKernels.GroupedMatMul"/>
    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y)
    {
        WeightMatrix first = experts[0];
        int* offset = offsets.Pointer<int>();
        int rows = offset[experts.Length];
        CheckProduct(x, first, y);
        if (x.Columns != first.Columns || y.Rows < rows || order is null && x.Rows < rows)
            throw new ArgumentException($"A grouped product of x {x} and {first.Name} [{first.Rows}, {first.Columns}] cannot be written to y {y}.");
        if (rows == 0 || first.Rows == 0)
            return;
        ProductCall call = NewCall(x, order, slots, first, y);
        float largest = 0;
        foreach (WeightMatrix w in experts)
        {
            if (w.Format != first.Format || w.Rows != first.Rows || w.Columns != first.Columns || w.Layout != first.Layout)
                throw new ArgumentException($"{w.Name} [{w.Rows}, {w.Columns}] of {w.Format} is not of the kind of {first.Name}.");
            largest = MathF.Max(largest, Largest(w));
        }
        if (first.Layout == WeightLayout.RowMajor)
        {
            BlockCall blocks = NewBlockCall(BlockForm.Forward, experts.Length, first.Rows, slots);
            for (int e = 0; e < experts.Length; e++)
                if (offset[e] < offset[e + 1])
                    Add(ref blocks, ForwardProduct(in call.Rows, experts[e], y, offset[e], offset[e + 1] - offset[e]));
            Multiply(ref blocks);
            return;
        }
        call.Segments = Scratch.Segments(experts.Length + rows / SmallestSegment);
        int limit = DirectLimit(first.Format, in call.Layout);
        for (int pass = 0; pass < 2; pass++)
        {
            bool direct = pass == 0;
            call.SegmentCount = 0;
            for (int e = 0; e < experts.Length; e++)
            {
                int count = offset[e + 1] - offset[e];
                if (count > 0 && count <= limit == direct)
                    AddSegments(ref call, experts[e], offset[e], count, direct);
            }
            Multiply(ref call, first, direct, largest);
        }
    }

    private ProductScratch Scratch => _product ??= new ProductScratch(_pool.Count);

    // Up to how many rows a product decodes the weights of a format as they stream by.
    private static int DirectLimit(DType format, in PanelLayout layout) => format switch
    {
        DType.F32 => 0,
        DType.BF16 => DirectProduct<TLanes, BFloat16Weights<TLanes>>.Limit(in layout),
        DType.F16 => DirectProduct<TLanes, Float16Weights<TLanes>>.Limit(in layout),
        _ => DirectProduct<TLanes, Float8Weights<TLanes>>.Limit(in layout),
    };

    private static float Largest(WeightMatrix w) => w.Scales?.Largest ?? 0;

    private static void CheckProduct(Tensor x, WeightMatrix w, Tensor y)
    {
        if (x.Type != DType.F32 || y.Type != DType.F32)
            throw new ArgumentException($"Activations are F32 here, not x {x} and y {y}.");
        if (w.Layout != WeightLayout.Panels && w.Format != DType.F32)
            throw new ArgumentException($"{w.Name} is a row-major matrix of {w.Format} that has not been prepared.");
        if (y.Columns != w.Rows)
            throw new ArgumentException($"{w.Name} has {w.Rows} outputs, y is {y}.");
    }

    private ProductCall NewCall(Tensor x, Tensor? order, int slots, WeightMatrix w, Tensor y) => new()
    {
        Rows = new ProductRows((nint)x.Data, x.Columns, order is null ? 0 : (nint)order.Pointer<int>(), slots),
        Layout = new PanelLayout(w.Format, w.Rows, w.Columns, w.Layout),
        Y = y.Pointer<float>(),
        Scratch = Scratch,
    };

    // Cuts the rows of one matrix into segments of nearly equal size.
    private static void AddSegments(ref ProductCall call, WeightMatrix w, int firstRow, int rows, bool direct)
    {
        int most = direct ? DirectProduct<TLanes, BFloat16Weights<TLanes>>.Rows(in call.Layout) : SegmentRows;
        int height = direct ? Math.Min(most, 8) : TiledProduct<TLanes, SinglePanels<TLanes>>.EvenHeight(rows);
        int segments = (rows + most - 1) / most;
        int size = ((rows + segments - 1) / segments + height - 1) / height * height;
        for (int begin = 0; begin < rows; begin += size)
        {
            int count = Math.Min(size, rows - begin);
            call.Segments[call.SegmentCount++] = new ProductSegment(w, firstRow + begin, count)
            {
                TileHeight = height,
                Tiles = (count + height - 1) / height,
            };
        }
    }

    private void Multiply(ref ProductCall call, WeightMatrix w, bool direct, float largest)
    {
        if (call.SegmentCount == 0)
            return;
        switch (w.Format)
        {
            case DType.F32:
                Tiled<SinglePanels<TLanes>>(ref call);
                break;
            case DType.BF16:
                Decoded<BFloat16Weights<TLanes>>(ref call, direct);
                break;
            case DType.F16:
                Decoded<Float16Weights<TLanes>>(ref call, direct);
                break;
            case DType.F8E4M3 when largest < Float8Weights<TLanes>.FoldLimit:
                Decoded<Float8Weights<TLanes>>(ref call, direct);
                break;
            case DType.F8E4M3:
                Decoded<Float8WideWeights<TLanes>>(ref call, direct);
                break;
            default:
                throw new ArgumentException($"{w.Name} has format {w.Format}, by which nothing is multiplied.");
        }
    }

    private void Decoded<TFormat>(ref ProductCall call, bool direct) where TFormat : struct, IWeightFormat<TLanes>
    {
        if (!direct)
        {
            Tiled<DecodedPanels<TLanes, TFormat>>(ref call);
            return;
        }
        int items = call.SegmentCount * call.Layout.Panels;
        long bytes = (long)call.Layout.PanelRows * call.Layout.Dwords * sizeof(uint);
        int chunk = (int)Math.Clamp(2 * SmallBytes / Math.Max(bytes, 1), 1, Math.Max(1, items / (4 * _pool.Count)));
        DirectJob<TLanes, TFormat> job = new(call);
        _pool.For(ref job, items, items * bytes <= SmallBytes ? items : chunk);
    }

    private void Tiled<TSource>(ref ProductCall call) where TSource : struct, IPanelSource<TLanes>
    {
        ProductSegment* segments = call.Segments;
        int total = call.SegmentCount, columns = call.Layout.Columns;
        for (int first = 0, count; first < total; first += count)
        {
            long floats = 0;
            for (count = 0; first + count < total; count++)
            {
                long more = TiledProduct<TLanes, TSource>.PackedFloats(in segments[first + count], columns);
                if (count > 0 && floats + more > PackedFloatsLimit)
                    break;
                floats += more;
            }
            call.Segments = segments + first;
            call.SegmentCount = count;
            TiledBatch<TSource>(ref call, floats);
        }
    }

    private void TiledBatch<TSource>(ref ProductCall call, long floats) where TSource : struct, IPanelSource<TLanes>
    {
        int count = call.SegmentCount, columns = call.Layout.Columns, rows = 0;
        bool packs = false;
        float* packed = call.Scratch.Packed(floats);
        for (int i = 0; i < count; i++)
        {
            ref ProductSegment segment = ref call.Segments[i];
            rows += segment.Rows;
            packs |= segment.Rows > 1;
            segment.Packed = segment.Rows > 1 ? packed : call.Rows.Row(segment.FirstRow);
            packed += TiledProduct<TLanes, TSource>.PackedFloats(in segment, columns);
        }
        if (packs)
        {
            int items = count * TiledProduct<TLanes, TSource>.Chunks(columns);
            PackJob<TLanes, TSource> pack = new(call);
            _pool.For(ref pack, items, (long)rows * columns <= SmallProduct / 4 ? items : 1);
        }
        call.Scratch.Reserve(TiledProduct<TLanes, TSource>.ScratchFloats);
        // Sixteen items for each worker balance the load; eight panels are enough to keep packed rows in cache.
        int panels = call.Layout.Panels;
        call.PanelsPerItem = (int)Math.Clamp((long)count * panels / (16 * _pool.Count), 1, 8);
        int groups = (panels + call.PanelsPerItem - 1) / call.PanelsPerItem;
        TileJob<TLanes, TSource> multiply = new(call);
        bool small = (long)rows * columns * call.Layout.Rows <= SmallProduct;
        _pool.For(ref multiply, count * groups, small ? count * groups : 1);
    }
}
