using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    // Matrices up to this size are worked on by one worker each, in its own caches.
    private const long WholeMatrixFloats = 1 << 20;

    private readonly GrowingBuffer _orthogonal = new();

    /// <inheritdoc cref="IOptimizerKernels.NewtonSchulz"/>
    public void NewtonSchulz(Tensor u, ReadOnlySpan<NewtonSchulzStep> steps, double epsilon, Tensor o)
    {
        OptimizerTensors.Check(DType.F32, u.Count, u, o);
        if (u.Shape.Rank is not (2 or 3) || u.Shape != o.Shape)
            throw new ArgumentException($"Newton-Schulz takes a matrix or a batch of matrices of one shape, not {u} and {o}.");
        if (u.Count == 0)
            return;
        int columns = u.Columns, rows = u.Shape[u.Shape.Rank - 2];
        int matrices = u.Shape.Rank == 3 ? u.Shape[0] : 1;
        // Whole matrices for whole rounds of all workers; the rest is cut up.
        int whole = (long)rows * columns <= WholeMatrixFloats ? matrices - matrices % _pool.Count : 0;
        long floats = NewtonSchulzMatrix<TLanes>.Floats(rows, columns);
        int copies = whole > 0 ? _pool.Count : 1;
        float* memory = (float*)_orthogonal.Reserve(
            sizeof(float) * (floats * copies + (long)NewtonSchulzMatrix<TLanes>.PanelFloats * _pool.Count));
        fixed (NewtonSchulzStep* first = steps)
        {
            WholeMatrices job = new(u.Pointer<float>(), o.Pointer<float>(), rows, columns, first, steps.Length, epsilon, memory);
            _pool.For(ref job, whole);
        }
        NewtonSchulzMatrix<TLanes> matrix = new(rows, columns, memory);
        for (int i = whole; i < matrices; i++)
        {
            float* at = u.Pointer<float>() + (long)i * rows * columns;
            double norm = Math.Sqrt(SumOfSquares(at, (long)rows * columns));
            matrix.Begin(at, o.Pointer<float>() + (long)i * rows * columns, 1 / (norm + epsilon));
            Part(ref matrix, NewtonSchulzPart.Load, memory + floats);
            foreach (NewtonSchulzStep step in steps)
            {
                matrix.Begin(step);
                for (NewtonSchulzPart part = NewtonSchulzPart.PackX; part <= NewtonSchulzPart.Multiply; part++)
                    Part(ref matrix, part, memory + floats);
                matrix.Exchange();
            }
            Part(ref matrix, NewtonSchulzPart.Store, memory + floats);
        }
    }

    private void Part(ref NewtonSchulzMatrix<TLanes> matrix, NewtonSchulzPart part, float* panels)
    {
        MatrixBlocks job = new(matrix, part, panels);
        _pool.For(ref job, matrix.Blocks(part));
    }

    /// <summary>Item = matrix, from beginning to end.</summary>
    private readonly struct WholeMatrices(
        float* u, float* o, int rows, int columns, NewtonSchulzStep* steps, int count, double epsilon, float* memory) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            long floats = NewtonSchulzMatrix<TLanes>.Floats(rows, columns), size = (long)rows * columns;
            float* own = memory + worker * (floats + NewtonSchulzMatrix<TLanes>.PanelFloats);
            NewtonSchulzMatrix<TLanes> matrix = new(rows, columns, own);
            for (int i = begin; i < end; i++)
            {
                double norm = Math.Sqrt(SquareSum.All(u + i * size, size));
                matrix.Begin(u + i * size, o + i * size, 1 / (norm + epsilon));
                All(ref matrix, NewtonSchulzPart.Load, own + floats);
                for (int s = 0; s < count; s++)
                {
                    matrix.Begin(steps[s]);
                    for (NewtonSchulzPart part = NewtonSchulzPart.PackX; part <= NewtonSchulzPart.Multiply; part++)
                        All(ref matrix, part, own + floats);
                    matrix.Exchange();
                }
                All(ref matrix, NewtonSchulzPart.Store, own + floats);
            }
        }

        private static void All(ref NewtonSchulzMatrix<TLanes> matrix, NewtonSchulzPart part, float* panels)
        {
            int blocks = matrix.Blocks(part);
            for (int block = 0; block < blocks; block++)
                matrix.Run(part, block, panels);
        }
    }

    /// <summary>Item = block of one part of one matrix.</summary>
    private readonly struct MatrixBlocks(NewtonSchulzMatrix<TLanes> matrix, NewtonSchulzPart part, float* panels) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int block = begin; block < end; block++)
                matrix.Run(part, block, panels + (long)worker * NewtonSchulzMatrix<TLanes>.PanelFloats);
        }
    }
}
