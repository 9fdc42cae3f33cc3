using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // There are few rows and they are long.
    private const int LogSumExpThreads = 256;

    private readonly GpuKernel<LogSumExpArguments> _logSumExp = new("LogSumExp", LogSumExpKernel);

    /// <inheritdoc/>
    public void LogSumExp(Tensor logits, Tensor lse)
    {
        LogSumExpArguments arguments = new() { Logits = logits.View<float>(), LogSumExp = lse.View<float>(), Width = logits.Columns };
        _logSumExp.Run(_device, logits.Rows, 1, LogSumExpThreads, arguments);
    }

    /// <summary>One group for each row; thread i sums elements i, i + 256, …</summary>
    private static void LogSumExpKernel(LogSumExpArguments a)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(LogSumExpThreads);
        ArrayView<float> row = a.Logits.SubView((long)Grid.IdxX * a.Width, a.Width);
        float maximum = float.NegativeInfinity;
        for (int i = Group.IdxX; i < a.Width; i += LogSumExpThreads)
            maximum = row[i] > maximum ? row[i] : maximum;
        maximum = DeviceMath.GroupMax(shared, maximum);
        // Infinity minus infinity would be NaN where the sum is infinite or zero.
        float shift = maximum < float.PositiveInfinity && maximum > float.NegativeInfinity ? maximum : 0f;
        float sum = 0;
        for (int i = Group.IdxX; i < a.Width; i += LogSumExpThreads)
            sum += DeviceMath.Exp(row[i] - shift);
        sum = DeviceMath.GroupSum(shared, sum);
        if (Group.IdxX == 0)
            a.LogSumExp[Grid.IdxX] = shift != maximum && !float.IsNaN(sum) ? maximum : shift + DeviceMath.Log(sum);
    }

    internal struct LogSumExpArguments
    {
        public ArrayView<float> Logits;
        public ArrayView<float> LogSumExp;
        public int Width;
    }
}
