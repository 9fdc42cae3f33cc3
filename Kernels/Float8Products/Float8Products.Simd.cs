using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IFloat8Kernels.RoundRowsToFloat8"/>
    public void RoundRowsToFloat8(Tensor x, Tensor y, Tensor inverses)
    {
        RowScaleTensors.CheckRounding(x, y, inverses, DType.F32);
        RoundOwnRows job = new(x.Pointer<float>(), x.Columns, y.Pointer<float>(), inverses.Pointer<float>());
        _pool.For(ref job, x.Rows, RowsPerChunk(x.Columns));
    }

    /// <inheritdoc cref="IFloat8Kernels.MultiplyRows"/>
    public void MultiplyRows(Tensor y, Tensor? order, int slots, Tensor factors)
    {
        RowScaleTensors.CheckFactors(y, order, factors, DType.F32);
        MultiplyOwnRows job = new(y.Pointer<float>(), y.Columns, order is null ? null : order.Pointer<int>(), slots, factors.Pointer<float>());
        _pool.For(ref job, y.Rows, RowsPerChunk(y.Columns));
    }

    // Item: a row.
    private readonly struct RoundOwnRows(float* x, int width, float* y, float* inverses) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            int whole = width / 16 * 16, rest = width - whole;
            for (int row = begin; row < end; row++)
            {
                float* source = x + (long)row * width, target = y + (long)row * width;
                Float8Scale scale = Float8Scale.For(LargestMagnitude(source, width), DType.F8E4M3);
                inverses[row] = scale.Inverse;
                TLanes factor = TLanes.Broadcast(scale.Value);
                for (int i = 0; i < whole; i += 16)
                    TLanes.Store(TLanes.RoundE4M3(TLanes.Load(source + i) * factor), target + i);
                if (rest > 0)
                    LaneTail<TLanes>.Store(TLanes.RoundE4M3(LaneTail<TLanes>.Load(source + whole, rest) * factor), target + whole, rest);
            }
        }
    }

    // Item: a row.
    private readonly struct MultiplyOwnRows(float* y, int width, int* order, int slots, float* factors) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            int whole = width / 16 * 16;
            for (int row = begin; row < end; row++)
            {
                float* target = y + (long)row * width;
                float factor = factors[order == null ? row : order[row] / slots];
                TLanes factors16 = TLanes.Broadcast(factor);
                for (int i = 0; i < whole; i += 16)
                    TLanes.Store(TLanes.Load(target + i) * factors16, target + i);
                for (int i = whole; i < width; i++)
                    target[i] *= factor;
            }
        }
    }
}
