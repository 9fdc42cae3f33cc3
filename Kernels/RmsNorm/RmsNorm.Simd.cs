using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    // Element-wise work below this many elements is not worth a fork.
    private const int ElementsPerChunk = 8192;

    /// <inheritdoc cref="IForwardKernels.RmsNorm"/>
    public void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y)
    {
        int width = (int)weight.Count;
        if (width == 0)
            return;
        RmsNormJob job = new(x.Pointer<float>(), weight.Pointer<float>(), epsilon, y.Pointer<float>(), width);
        _pool.For(ref job, checked((int)(x.Count / width)), Math.Max(1, ElementsPerChunk / width));
    }

    private readonly struct RmsNormJob(float* x, float* weight, float epsilon, float* y, int width) : IParallelJob
    {
        // Squares above the largest float32 are summed again from x · 2⁻⁹⁶; ε is far below them.
        private const float Shrink = 1.262177448e-29f;

        public void Run(int begin, int end, int worker)
        {
            for (int group = begin; group < end; group++)
            {
                float* source = x + (long)group * width;
                Root(source, width, epsilon, out float scale, out float inverse);
                Normalize(source, y + (long)group * width, scale, inverse);
            }
        }

        /// <summary>The normalised element is x · scale · inverse.</summary>
        public static void Root(float* source, int width, float epsilon, out float scale, out float inverse)
        {
            scale = 1;
            float squares = SumOfSquares(source, width, scale);
            float offset = epsilon;
            if (float.IsPositiveInfinity(squares))
            {
                (scale, offset) = (Shrink, 0);
                squares = SumOfSquares(source, width, scale);
            }
            inverse = 1 / MathF.Sqrt(squares / width + offset);
        }

        private static float SumOfSquares(float* source, int width, float scale)
        {
            TLanes factor = TLanes.Broadcast(scale), sum = TLanes.Zero;
            int i = 0;
            for (; i <= width - 16; i += 16)
            {
                TLanes value = TLanes.Load(source + i) * factor;
                sum = TLanes.FusedMultiplyAdd(value, value, sum);
            }
            if (i < width)
            {
                TLanes value = LaneTail<TLanes>.Load(source + i, width - i) * factor;
                sum = TLanes.FusedMultiplyAdd(value, value, sum);
            }
            return TLanes.Sum(sum);
        }

        private void Normalize(float* source, float* target, float scale, float inverse)
        {
            TLanes factor = TLanes.Broadcast(scale), root = TLanes.Broadcast(inverse);
            int i = 0;
            for (; i <= width - 16; i += 16)
                TLanes.Store(TLanes.Load(source + i) * factor * root * TLanes.Load(weight + i), target + i);
            if (i < width)
            {
                TLanes value = LaneTail<TLanes>.Load(source + i, width - i) * factor * root;
                LaneTail<TLanes>.Store(value * LaneTail<TLanes>.Load(weight + i, width - i), target + i, width - i);
            }
        }
    }
}
