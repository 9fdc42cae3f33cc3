using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

internal sealed unsafe partial class TimedKernels
{
    public double SumOfSquares(Tensor x)
    {
        double start = BenchClock.Seconds();
        double result = _optimizer.SumOfSquares(x);
        times.Add("norm of the gradient", start);
        return result;
    }

    public void Scale(Tensor x, double factor)
    {
        double start = BenchClock.Seconds();
        _optimizer.Scale(x, factor);
        times.Add("clipping", start);
    }

    public void AdamW(Tensor gradient, in AdamWStep step, Tensor weight, Tensor mean, Tensor variance)
    {
        double start = BenchClock.Seconds();
        _optimizer.AdamW(gradient, in step, weight, mean, variance);
        times.Add("AdamW", start);
    }

    public void NesterovMomentum(Tensor gradient, double momentum, Tensor average, Tensor update, long offset)
    {
        double start = BenchClock.Seconds();
        _optimizer.NesterovMomentum(gradient, momentum, average, update, offset);
        times.Add("momentum", start);
    }

    public void DecayedStep(Tensor update, long offset, double decay, double step, Tensor weight)
    {
        double start = BenchClock.Seconds();
        _optimizer.DecayedStep(update, offset, decay, step, weight);
        times.Add("weights", start);
    }

    public void NewtonSchulz(Tensor u, ReadOnlySpan<NewtonSchulzStep> steps, double epsilon, Tensor o)
    {
        double start = BenchClock.Seconds();
        _optimizer.NewtonSchulz(u, steps, epsilon, o);
        times.Add("Newton-Schulz", start, Matrices(u) * NewtonSchulzSteps.Operations(u.Shape[u.Shape.Rank - 2], u.Columns, steps.Length));
    }

    public float AbsoluteMaximum(Tensor x)
    {
        double start = BenchClock.Seconds();
        float result = _optimizer.AbsoluteMaximum(x);
        times.Add("rounding", start);
        return result;
    }

    public void QuantizeFloat8(Tensor x, float scale, Tensor codes)
    {
        double start = BenchClock.Seconds();
        _optimizer.QuantizeFloat8(x, scale, codes);
        times.Add("rounding", start);
    }

    public void DecodeFloat8(Tensor codes, Tensor values)
    {
        double start = BenchClock.Seconds();
        _optimizer.DecodeFloat8(codes, values);
        times.Add("rounding", start);
    }

    public void Transpose(Tensor x, Tensor y)
    {
        double start = BenchClock.Seconds();
        _optimizer.Transpose(x, y);
        times.Add("rounding", start);
    }

    public void RoundToBFloat16(Tensor x, Tensor y)
    {
        double start = BenchClock.Seconds();
        _optimizer.RoundToBFloat16(x, y);
        times.Add("rounding", start);
    }

    private static int Matrices(Tensor u) => u.Shape.Rank == 3 ? u.Shape[0] : 1;
}
