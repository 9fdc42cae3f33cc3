using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    /// <inheritdoc cref="IForwardKernels.Add"/>
    public void Add(Tensor a, Tensor b, Tensor y)
    {
        AddJob job = new(a.Pointer<float>(), b.Pointer<float>(), y.Pointer<float>(), y.Count);
        _pool.For(ref job, checked((int)((y.Count + ElementsPerChunk - 1) / ElementsPerChunk)));
    }

    /// <inheritdoc cref="IForwardKernels.CopyRows"/>
    public void CopyRows(Tensor x, int firstRow, Tensor y) => RowCopies.Copy(x, firstRow, y);

    /// <inheritdoc cref="IForwardKernels.Concatenate"/>
    public void Concatenate(Tensor a, Tensor b, Tensor y) => RowCopies.Concatenate(a, b, y);

    private readonly struct AddJob(float* a, float* b, float* y, long count) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            long i = (long)begin * ElementsPerChunk, stop = Math.Min((long)end * ElementsPerChunk, count);
            for (; i <= stop - 16; i += 16)
                TLanes.Store(TLanes.Load(a + i) + TLanes.Load(b + i), y + i);
            for (; i < stop; i++)
                y[i] = a[i] + b[i];
        }
    }
}
