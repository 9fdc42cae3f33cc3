using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training.Tests;

/// <summary>The tape by itself: what it keeps, what it gives back, and what it adds up.</summary>
public sealed class TapeTests
{
    private const int Rows = 64, Columns = 64, Depth = 40;
    private const long Bytes = Rows * Columns * sizeof(float);

    [Fact]
    public void Backward_gives_results_and_gradients_back_as_it_passes_them()
    {
        using Chain chain = new();
        chain.Forward();
        long forward = chain.Workspace.ByteLength;
        Assert.InRange(forward, Depth * Bytes, (Depth + 2) * Bytes);
        chain.Backward();
        Assert.InRange(chain.Workspace.ByteLength, forward, (Depth + 5) * Bytes);
        Assert.Contains(chain.WeightGradient.Read(), value => value != 0);
    }

    [Fact]
    public void Gradients_take_the_memory_of_results_that_are_done_with()
    {
        // The norms come first, then all sums: their backward needs a gradient for every norm, and sets its own results free.
        using Chain chain = new();
        Tensor x = chain.Workspace.Rent(DType.F32, new Shape(Rows, Columns)), sum = x;
        x.WriteSingles(new Random(1).Normal(Rows * Columns));
        Tensor[] normed = [.. Enumerable.Range(0, Depth).Select(_ => chain.Norm(x))];
        foreach (Tensor y in normed)
        {
            Tensor next = chain.Workspace.Rent(DType.F32, x.Shape);
            chain.Tape.Add(sum, y, next);
            sum = next;
        }
        long forward = chain.Workspace.ByteLength;
        chain.Backward(sum);
        Assert.InRange(chain.Workspace.ByteLength, forward, forward + 5 * Bytes);
    }

    [Fact]
    public void Without_recording_the_model_s_last_use_gives_memory_back()
    {
        using Chain chain = new();
        chain.Tape.IsRecording = false;
        chain.Forward();
        Assert.InRange(chain.Workspace.ByteLength, 2 * Bytes, 4 * Bytes);
        chain.Backward();
        Assert.All(chain.WeightGradient.Read(), value => Assert.Equal(0, value));
    }

    [Fact]
    public void A_sum_of_a_tensor_with_itself_has_twice_its_gradient()
    {
        using WorkerPool pool = new(1);
        using TrainingWorkspace workspace = new();
        using Tape tape = new(SimdKernels.Create(pool), workspace);
        using Tensor x = Tensor.Allocate(DType.F32, new Shape(2, 3)), weight = Tensor.Allocate(DType.F32, new Shape(3)), gradient = Tensor.Allocate(DType.F32, new Shape(3));
        weight.Span<float>().Fill(1);
        x.WriteSingles([1, 2, 3, 4, 5, 6]);
        tape.Register(weight, gradient);
        double[] Gradient(bool twice)
        {
            gradient.Span<float>().Clear();
            Tensor y = workspace.Rent(DType.F32, x.Shape), sum = workspace.Rent(DType.F32, x.Shape);
            tape.RmsNorm(x, weight, 1e-6f, y);
            if (twice)
                tape.Add(y, y, sum);
            Tensor result = twice ? sum : y, dy = tape.Rent(result);
            dy.WriteSingles([1, -2, 3, 0.5f, 0.25f, -1]);
            tape.AddGradient(result, dy);
            tape.Backward();
            workspace.Reset();
            return gradient.Read();
        }
        Assert.Equal(Gradient(twice: false).Select(value => 2 * value), Gradient(twice: true));
    }

    /// <summary>A chain of norms, each of the last one's result.</summary>
    private sealed class Chain : IDisposable
    {
        private readonly WorkerPool _pool = new(1);
        private readonly Tensor _weight = Tensor.Allocate(DType.F32, new Shape(Columns));
        private Tensor? _last;

        public Chain()
        {
            Tape = new Tape(SimdKernels.Create(_pool), Workspace);
            _weight.Span<float>().Fill(1);
            Tape.Register(_weight, WeightGradient);
        }

        public TrainingWorkspace Workspace { get; } = new();

        public Tape Tape { get; }

        public Tensor WeightGradient { get; } = Tensor.Allocate(DType.F32, new Shape(Columns));

        public void Forward()
        {
            Tensor x = Workspace.Rent(DType.F32, new Shape(Rows, Columns));
            x.WriteSingles(new Random(1).Normal(Rows * Columns));
            for (int i = 0; i < Depth; i++)
            {
                Tensor y = Norm(x);
                Workspace.Release(x);
                x = y;
            }
            _last = x;
        }

        public Tensor Norm(Tensor x)
        {
            Tensor y = Workspace.Rent(DType.F32, x.Shape);
            Tape.RmsNorm(x, _weight, 1e-6f, y);
            return y;
        }

        public void Backward() => Backward(_last!);

        public void Backward(Tensor result)
        {
            Tensor gradient = Tape.Rent(result);
            gradient.WriteSingles(new Random(2).Normal(Rows * Columns));
            Tape.AddGradient(result, gradient);
            Tape.Backward();
            Workspace.Reset();
        }

        public void Dispose()
        {
            Tape.Dispose();
            Workspace.Dispose();
            _weight.Dispose();
            WeightGradient.Dispose();
            _pool.Dispose();
        }
    }
}
