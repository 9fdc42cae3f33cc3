using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="ITrainingKernels.Accumulate"/>
    public void Accumulate(Tensor x, Tensor sum)
    {
        AccumulateJob job = new(x.Pointer<float>(), sum.Pointer<float>(), sum.Count);
        _pool.For(ref job, checked((int)((sum.Count + ElementsPerChunk - 1) / ElementsPerChunk)));
    }

    /// <inheritdoc cref="ITrainingKernels.CopyRowsBackward"/>
    public void CopyRowsBackward(Tensor dy, int firstRow, Tensor dx) => RowCopies.Place(dy, firstRow, dx);

    /// <inheritdoc cref="ITrainingKernels.ConcatenateBackward"/>
    public void ConcatenateBackward(Tensor dy, Tensor da, Tensor db) => RowCopies.Split(dy, da, db);

    private readonly struct AccumulateJob(float* x, float* sum, long count) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            long first = (long)begin * ElementsPerChunk;
            AddTo(x + first, sum + first, Math.Min((long)end * ElementsPerChunk, count) - first);
        }
    }
}
