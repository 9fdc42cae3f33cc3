using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IOptimizerKernels.AbsoluteMaximum"/>
    public float AbsoluteMaximum(Tensor x)
    {
        OptimizerTensors.Check(DType.F32, x.Count, x);
        int blocks = BlockJob<MaximumBlocks>.Blocks(x.Count);
        float* maxima = (float*)_blockResults.Reserve((long)blocks * sizeof(double));
        BlockJob<MaximumBlocks>.Run(_pool, new MaximumBlocks(x.Pointer<float>(), maxima), x.Count);
        float largest = 0;
        for (int block = 0; block < blocks; block++)
            largest = MathF.Max(largest, maxima[block]);
        return largest;
    }

    /// <inheritdoc cref="IOptimizerKernels.QuantizeFloat8"/>
    public void QuantizeFloat8(Tensor x, float scale, Tensor codes)
    {
        Float8Tensors.Check(codes, x, DType.F32);
        float* source = x.Pointer<float>();
        byte* target = codes.Pointer<byte>();
        if (codes.Type == DType.F8E4M3)
            BlockJob<E4M3Blocks>.Run(_pool, new E4M3Blocks(source, scale, target), x.Count);
        else
            BlockJob<E5M2Blocks>.Run(_pool, new E5M2Blocks(source, scale, target), x.Count);
    }

    /// <inheritdoc cref="IOptimizerKernels.DecodeFloat8"/>
    public void DecodeFloat8(Tensor codes, Tensor values)
    {
        Float8Tensors.Check(codes, values, DType.F32);
        float* table = stackalloc float[256];
        for (int code = 0; code < 256; code++)
            table[code] = codes.Type == DType.F8E4M3 ? new Float8E4M3((byte)code).ToSingle() : new Float8E5M2((byte)code).ToSingle();
        BlockJob<DecodeBlocks>.Run(_pool, new DecodeBlocks(codes.Pointer<byte>(), table, values.Pointer<float>()), codes.Count);
    }

    /// <inheritdoc cref="IOptimizerKernels.Transpose"/>
    public void Transpose(Tensor x, Tensor y)
    {
        Float8Tensors.CheckTransposed(x, y, DType.F32);
        TransposeRows job = new(x.Pointer<uint>(), x.Rows, x.Columns, y.Pointer<uint>());
        _pool.For(ref job, (x.Rows + TransposeRows.Height - 1) / TransposeRows.Height);
    }

    /// <inheritdoc cref="IForwardKernels.RoundToBFloat16"/>
    public void RoundToBFloat16(Tensor x, Tensor y)
    {
        OptimizerTensors.Check(DType.F32, x.Count, x, y);
        BlockJob<BFloat16Blocks>.Run(_pool, new BFloat16Blocks(x.Pointer<float>(), y.Pointer<float>()), x.Count);
    }

    private readonly struct MaximumBlocks(float* x, float* maxima) : IBlockOperation
    {
        public void Run(long begin, long end)
        {
            maxima[begin / BlockJob<MaximumBlocks>.Length] = LargestMagnitude(x + begin, (int)(end - begin));
        }
    }

    // max |x|, NaN if there is one: Max passes over a NaN, but 0·x is NaN for it and for infinities, and their sum keeps it.
    private static float LargestMagnitude(float* x, int count)
    {
        TLanes largest = TLanes.Zero, odd = TLanes.Zero;
        int i = 0;
        for (; i + 16 <= count; i += 16)
            Add(TLanes.Load(x + i), ref largest, ref odd);
        if (i < count)
            Add(LaneTail<TLanes>.Load(x + i, count - i), ref largest, ref odd);
        float result = TLanes.MaxLane(largest);
        if (float.IsNaN(TLanes.Sum(odd)))
            for (int j = 0; j < count; j++)
                result = MathF.Max(result, MathF.Abs(x[j]));
        return result;

        static void Add(TLanes value, ref TLanes largest, ref TLanes odd)
        {
            largest = TLanes.Max(TLanes.Max(value, TLanes.Zero - value), largest);
            odd = TLanes.FusedMultiplyAdd(value, TLanes.Zero, odd);
        }
    }

    private readonly struct E4M3Blocks(float* x, float scale, byte* codes) : IBlockOperation
    {
        public void Run(long begin, long end)
        {
            TLanes factor = TLanes.Broadcast(scale);
            long i = begin;
            for (; i + 16 <= end; i += 16)
                TLanes.StoreE4M3(TLanes.Load(x + i) * factor, codes + i);
            for (; i < end; i++)
                codes[i] = Float8E4M3.FromSingle(x[i] * scale).Bits;
        }
    }

    private readonly struct E5M2Blocks(float* x, float scale, byte* codes) : IBlockOperation
    {
        public void Run(long begin, long end)
        {
            TLanes factor = TLanes.Broadcast(scale);
            long i = begin;
            for (; i + 16 <= end; i += 16)
                TLanes.StoreE5M2(TLanes.Load(x + i) * factor, codes + i);
            for (; i < end; i++)
                codes[i] = Float8E5M2.FromSingle(x[i] * scale).Bits;
        }
    }

    private readonly struct DecodeBlocks(byte* codes, float* table, float* values) : IBlockOperation
    {
        public void Run(long begin, long end)
        {
            for (long i = begin; i < end; i++)
                values[i] = table[codes[i]];
        }
    }

    /// <summary>Item = a few rows of x, columns of y.</summary>
    private readonly struct TransposeRows(uint* x, int rows, int columns, uint* y) : IParallelJob
    {
        public const int Height = 32;

        public void Run(int begin, int end, int worker)
        {
            uint** source = stackalloc uint*[Height];
            for (int item = begin; item < end; item++)
            {
                int first = item * Height, count = Math.Min(Height, rows - first);
                for (int r = 0; r < count; r++)
                    source[r] = x + (long)(first + r) * columns;
                Transposition.Run(source, count, columns, y + first, rows);
            }
        }
    }

    private readonly struct BFloat16Blocks(float* x, float* y) : IBlockOperation
    {
        public void Run(long begin, long end)
        {
            long i = begin;
            for (; i + 16 <= end; i += 16)
                TLanes.Store(TLanes.RoundBFloat16(TLanes.Load(x + i)), y + i);
            for (; i < end; i++)
                y[i] = BFloat16.FromSingle(x[i]).ToSingle();
        }
    }
}
