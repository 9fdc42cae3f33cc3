using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    private readonly GrowingBuffer _segmentScratch = new();

    /// <inheritdoc cref="ITrainingKernels.RoundToFloat8"/>
    public void RoundToFloat8(Tensor x, Tensor? order, int slots, Tensor offsets, DType format, Tensor y, Tensor inverses)
    {
        int rows = SegmentTensors.CheckRounding(x, order, offsets, y, DType.F32, inverses);
        int width = x.Columns, chunk = RowsPerChunk(width);
        int* places = order is null ? null : order.Pointer<int>();
        // The maxima of the rows of x, then the scale of each row of y: a row that several experts get is read once for them.
        float* maxima = (float*)_segmentScratch.Reserve(((long)x.Rows + rows) * sizeof(float)), scales = maxima + x.Rows;
        MaximumRows maximum = new(x.Pointer<float>(), width, maxima);
        _pool.For(ref maximum, order is null ? rows : x.Rows, chunk);
        int* offset = offsets.Pointer<int>();
        for (int s = 0; s < inverses.Count; s++)
        {
            float largest = 0;
            for (int r = offset[s]; r < offset[s + 1]; r++)
                largest = MathF.Max(largest, maxima[places == null ? r : places[r] / slots]);
            Float8Scale scale = Float8Scale.For(largest, format);
            inverses.Pointer<float>()[s] = scale.Inverse;
            new Span<float>(scales + offset[s], offset[s + 1] - offset[s]).Fill(scale.Value);
        }
        if (format == DType.F8E4M3)
        {
            RoundRows<E4M3Rounding> job = new(x.Pointer<float>(), places, slots, scales, width, y.Pointer<float>());
            _pool.For(ref job, rows, chunk);
        }
        else
        {
            RoundRows<E5M2Rounding> job = new(x.Pointer<float>(), places, slots, scales, width, y.Pointer<float>());
            _pool.For(ref job, rows, chunk);
        }
    }

    /// <inheritdoc cref="ITrainingKernels.ScaleSegments"/>
    public void ScaleSegments(Tensor y, Tensor offsets, Tensor a, Tensor b)
    {
        int rows = SegmentTensors.Check(y, DType.F32, offsets, a, b);
        SplitFactor* factors = (SplitFactor*)_segmentScratch.Reserve((long)rows * sizeof(SplitFactor));
        int* offset = offsets.Pointer<int>();
        for (int s = 0; s < a.Count; s++)
        {
            SplitFactor factor = SplitFactor.Of(a.Pointer<float>()[s], b.Pointer<float>()[s]);
            new Span<SplitFactor>(factors + offset[s], offset[s + 1] - offset[s]).Fill(factor);
        }
        ScaleRows job = new(y.Pointer<float>(), factors, y.Columns);
        _pool.For(ref job, rows, RowsPerChunk(y.Columns));
    }

    /// <inheritdoc cref="ITrainingKernels.AddScaledSegments"/>
    public void AddScaledSegments(Tensor x, Tensor a, Tensor b, int first, ReadOnlySpan<Tensor> sums)
    {
        SegmentTensors.CheckSums(x, DType.F32, a, b, first, sums);
        if (sums.IsEmpty)
            return;
        ScaledSum* jobs = (ScaledSum*)_segmentScratch.Reserve((long)sums.Length * sizeof(ScaledSum));
        for (int i = 0; i < sums.Length; i++)
            jobs[i] = new ScaledSum(SplitFactor.Of(a.Pointer<float>()[first + i], b.Pointer<float>()[first + i]), sums[i].Pointer<float>());
        AddScaledBlocks job = new(x.Pointer<float>(), jobs, sums[0].Count);
        _pool.For(ref job, checked(job.BlocksOfSum * sums.Length));
    }

    // Rows that are worth the claim of a worker.
    private static int RowsPerChunk(int width) => Math.Max(1, ElementsPerChunk / Math.Max(1, width));

    private readonly record struct ScaledSum(SplitFactor Factor, nint Sum)
    {
        public ScaledSum(SplitFactor factor, float* sum) : this(factor, (nint)sum) { }
    }

    private interface IRounding
    {
        static abstract TLanes Round(TLanes value);
    }

    private readonly struct E4M3Rounding : IRounding
    {
        public static TLanes Round(TLanes value) => TLanes.RoundE4M3(value);
    }

    private readonly struct E5M2Rounding : IRounding
    {
        public static TLanes Round(TLanes value) => TLanes.RoundE5M2(value);
    }

    // Item: a row.
    private readonly struct MaximumRows(float* x, int width, float* maxima) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int row = begin; row < end; row++)
                maxima[row] = LargestMagnitude(x + (long)row * width, width);
        }
    }

    private readonly struct RoundRows<TRounding>(float* x, int* order, int slots, float* scales, int width, float* y) : IParallelJob
        where TRounding : struct, IRounding
    {
        public void Run(int begin, int end, int worker)
        {
            int whole = width / 16 * 16, rest = width - whole;
            for (int row = begin; row < end; row++)
            {
                float* source = x + (order == null ? row : order[row] / slots) * (long)width, target = y + (long)row * width;
                TLanes scale = TLanes.Broadcast(scales[row]);
                for (int i = 0; i < whole; i += 16)
                    TLanes.Store(TRounding.Round(TLanes.Load(source + i) * scale), target + i);
                if (rest > 0)
                    LaneTail<TLanes>.Store(TRounding.Round(LaneTail<TLanes>.Load(source + whole, rest) * scale), target + whole, rest);
            }
        }
    }

    private readonly struct ScaleRows(float* y, SplitFactor* factors, int width) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            int whole = width / 16 * 16;
            for (int row = begin; row < end; row++)
            {
                float* target = y + (long)row * width;
                TLanes fraction = TLanes.Broadcast(factors[row].Fraction), power = TLanes.Broadcast(factors[row].Power);
                for (int i = 0; i < whole; i += 16)
                    TLanes.Store(TLanes.Load(target + i) * fraction * power, target + i);
                for (int i = whole; i < width; i++)
                    target[i] = target[i] * factors[row].Fraction * factors[row].Power;
            }
        }
    }

    // Item: a block of the elements of a sum.
    private readonly struct AddScaledBlocks(float* x, ScaledSum* sums, long count) : IParallelJob
    {
        private const int Length = 1 << 14;

        public int BlocksOfSum => checked((int)((count + Length - 1) / Length));

        public void Run(int begin, int end, int worker)
        {
            for (int item = begin; item < end; item++)
            {
                ScaledSum sum = sums[item / BlocksOfSum];
                long first = (long)(item % BlocksOfSum) * Length;
                float* source = x + item / BlocksOfSum * count + first, target = (float*)sum.Sum + first;
                int length = (int)Math.Min(Length, count - first), whole = length / 16 * 16;
                TLanes fraction = TLanes.Broadcast(sum.Factor.Fraction), power = TLanes.Broadcast(sum.Factor.Power);
                for (int i = 0; i < whole; i += 16)
                    TLanes.Store(TLanes.FusedMultiplyAdd(TLanes.Load(source + i) * fraction, power, TLanes.Load(target + i)), target + i);
                for (int i = whole; i < length; i++)
                    target[i] = MathF.FusedMultiplyAdd(source[i] * sum.Factor.Fraction, sum.Factor.Power, target[i]);
            }
        }
    }
}
