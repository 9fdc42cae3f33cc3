using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly GpuKernel<AddArguments> _add = new("Add", AddKernel);
    private readonly GpuKernel<ConcatenateArguments> _concatenate = new("Concatenate", ConcatenateKernel);

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y)
    {
        AddArguments arguments = new() { A = a.View<float>(), B = b.View<float>(), Y = y.View<float>() };
        _add.Run(_device, Groups(y.Count), 1, Threads, arguments);
    }

    /// <inheritdoc/>
    public void CopyRows(Tensor x, int firstRow, Tensor y) => x.CopyRowsTo(firstRow, y.Rows, y, 0);

    /// <inheritdoc/>
    public void Concatenate(Tensor a, Tensor b, Tensor y)
    {
        ConcatenateArguments arguments = new()
        {
            A = a.View<float>(),
            B = b.View<float>(),
            Y = y.View<float>(),
            Left = a.Columns,
            Right = b.Columns,
        };
        _concatenate.Run(_device, Groups(y.Count), 1, Threads, arguments);
    }

    /// <summary>One thread for each element.</summary>
    private static void AddKernel(AddArguments a)
    {
        long i = (long)Grid.IdxX * Threads + Group.IdxX;
        if (i < a.Y.Length)
            a.Y[i] = a.A[i] + a.B[i];
    }

    /// <summary>One thread for each element of y.</summary>
    private static void ConcatenateKernel(ConcatenateArguments a)
    {
        long i = (long)Grid.IdxX * Threads + Group.IdxX;
        if (i >= a.Y.Length)
            return;
        int width = a.Left + a.Right;
        long row = i / width, column = i % width;
        a.Y[i] = column < a.Left ? a.A[row * a.Left + column] : a.B[row * a.Right + column - a.Left];
    }

    internal struct AddArguments
    {
        public ArrayView<float> A;
        public ArrayView<float> B;
        public ArrayView<float> Y;
    }

    internal struct ConcatenateArguments
    {
        public ArrayView<float> A;
        public ArrayView<float> B;
        public ArrayView<float> Y;
        public int Left;
        public int Right;
    }
}
