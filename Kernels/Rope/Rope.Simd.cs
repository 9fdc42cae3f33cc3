using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.RopeTable"/>
    public void RopeTable(Tensor positions, RopeParameters parameters, Tensor table)
    {
        RopeTableJob job = new(positions.Pointer<int>(), parameters, table.Pointer<float>());
        // A cosine in float64 takes as long as some tens of elements elsewhere.
        _pool.For(ref job, checked((int)positions.Count), Math.Max(1, ElementsPerChunk / (64 * parameters.Dimension)));
    }

    /// <inheritdoc cref="IForwardKernels.Rope"/>
    public void Rope(Tensor x, Tensor table, Tensor y) => Rotate(x, table, y, 1);

    // By the angles of the table times the sign of the direction.
    private void Rotate(Tensor x, Tensor table, Tensor y, float direction)
    {
        RopeJob job = new(x.Pointer<float>(), table.Pointer<float>(), y.Pointer<float>(), x.Columns, table.Columns, direction);
        _pool.For(ref job, x.Rows, Math.Max(1, ElementsPerChunk / Math.Max(1, x.Columns)));
    }

    private readonly struct RopeTableJob(int* positions, RopeParameters parameters, float* table) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            int half = parameters.Dimension / 2;
            for (int t = begin; t < end; t++)
            {
                float* row = table + (long)t * parameters.Dimension;
                for (int i = 0; i < half; i++)
                {
                    double angle = positions[t] * parameters.InverseFrequencies[i];
                    row[i] = (float)(Math.Cos(angle) * parameters.AttentionFactor);
                    row[half + i] = (float)(Math.Sin(angle) * parameters.AttentionFactor);
                }
            }
        }
    }

    private readonly struct RopeJob(float* x, float* table, float* y, int columns, int dimension, float direction) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            int half = dimension / 2;
            TLanes sign = TLanes.Broadcast(direction);
            for (int t = begin; t < end; t++)
            {
                float* cos = table + (long)t * dimension;
                float* sin = cos + half;
                for (int head = 0; head < columns; head += dimension)
                {
                    float* source = x + (long)t * columns + head;
                    float* target = y + (long)t * columns + head;
                    int i = 0;
                    for (; i <= half - 16; i += 16)
                    {
                        Rotate(
                            TLanes.Load(source + i), TLanes.Load(source + half + i), TLanes.Load(cos + i), TLanes.Load(sin + i) * sign,
                            out TLanes first, out TLanes second);
                        TLanes.Store(first, target + i);
                        TLanes.Store(second, target + half + i);
                    }
                    int rest = half - i;
                    if (rest > 0)
                    {
                        Rotate(
                            LaneTail<TLanes>.Load(source + i, rest), LaneTail<TLanes>.Load(source + half + i, rest),
                            LaneTail<TLanes>.Load(cos + i, rest), LaneTail<TLanes>.Load(sin + i, rest) * sign,
                            out TLanes first, out TLanes second);
                        LaneTail<TLanes>.Store(first, target + i, rest);
                        LaneTail<TLanes>.Store(second, target + half + i, rest);
                    }
                }
            }
        }

        private static void Rotate(TLanes a, TLanes b, TLanes cos, TLanes sin, out TLanes first, out TLanes second)
        {
            first = TLanes.FusedMultiplyAdd(a, cos, TLanes.Zero - b * sin);
            second = TLanes.FusedMultiplyAdd(b, cos, a * sin);
        }
    }
}
