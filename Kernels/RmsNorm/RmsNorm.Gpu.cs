using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly GpuKernel<RmsNormArguments> _rmsNorm = new("RmsNorm", RmsNormKernel);

    /// <inheritdoc/>
    public Tensor PrepareVector(Tensor vector)
    {
        using (vector)
            return vector.CopyTo(_device);
    }

    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y)
    {
        int width = (int)weight.Count;
        if (width == 0)
            return;
        RmsNormArguments arguments = new()
        {
            X = x.View<float>(),
            Weight = weight.View<float>(),
            Y = y.View<float>(),
            Width = width,
            Epsilon = epsilon,
        };
        _rmsNorm.Run(_device, checked((int)(x.Count / width)), 1, Threads, arguments);
    }

    /// <summary>One group of threads for each group of <see cref="RmsNormArguments.Width"/> elements.</summary>
    private static void RmsNormKernel(RmsNormArguments a)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(Threads);
        long first = (long)Grid.IdxX * a.Width;
        Normalize(a.X.SubView(first, a.Width), a.Weight, a.Width, a.Epsilon, a.Y, first, shared);
    }

    /// <summary>The norm of x, written to y from <paramref name="first"/> on, by all threads of a group.</summary>
    private static void Normalize(
        ArrayView<float> x, ArrayView<float> weight, int width, float epsilon, ArrayView<float> y, long first, ArrayView<float> shared)
    {
        // Squares above the largest float32 are summed again from x · 2⁻⁹⁶; ε is far below them.
        const float Shrink = 1.262177448e-29f;
        float scale = 1, offset = epsilon;
        float squares = SumOfSquares(x, width, scale, shared);
        if (squares == float.PositiveInfinity)
        {
            scale = Shrink;
            offset = 0;
            squares = SumOfSquares(x, width, scale, shared);
        }
        float inverse = 1f / MathF.Sqrt(squares / width + offset);
        for (int i = Group.IdxX; i < width; i += Threads)
            y[first + i] = x[i] * scale * inverse * weight[i];
    }

    private static float SumOfSquares(ArrayView<float> x, int width, float scale, ArrayView<float> shared)
    {
        float sum = 0;
        for (int i = Group.IdxX; i < width; i += Threads)
        {
            float value = x[i] * scale;
            sum = value * value + sum;
        }
        return DeviceMath.GroupSum(shared, sum);
    }

    internal struct RmsNormArguments
    {
        public ArrayView<float> X;
        public ArrayView<float> Weight;
        public ArrayView<float> Y;
        public int Width;
        public float Epsilon;
    }
}
