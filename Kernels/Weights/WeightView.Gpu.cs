using ILGPU;
using ILGPU.Runtime;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>A prepared matrix, or the block of a layer's experts, as kernels see it.</summary>
internal struct WeightView
{
    /// <summary>The weights, a row after the other.</summary>
    public ArrayView<uint> Words;

    /// <summary>Where they are in the memory of a CUDA device, for copies in the background.</summary>
    public long Address;

    /// <summary>A factor for each row and block of columns; of no use without <see cref="ScaleBlocks"/>.</summary>
    public ArrayView<float> Scales;

    /// <summary>The words from a row to the next.</summary>
    public int RowWords;

    /// <summary>The outputs of a matrix.</summary>
    public int Rows;

    /// <summary>The inputs.</summary>
    public int Columns;

    /// <summary>The blocks of columns with factors of their own; 0 for formats without scales.</summary>
    public int ScaleBlocks;

    /// <summary>A matrix.</summary>
    public static WeightView Of(WeightMatrix matrix) => Of(matrix, 1);

    /// <summary>Matrices that <see cref="GpuKernels.Gather"/> has put into one block.</summary>
    public static WeightView Of(WeightMatrix[] experts)
    {
        Tensor first = experts[0].Data, last = experts[^1].Data;
        if (!ReferenceEquals(first.Memory, last.Memory) || last.ByteOffset != first.ByteOffset + (experts.Length - 1L) * first.ByteLength)
            throw new InvalidOperationException($"The experts of {experts[0].Name} were not gathered into one block.");
        return Of(experts[0], experts.Length);
    }

    /// <summary>The factor of the weight at (row, column).</summary>
    public readonly float Scale(long row, int column)
    {
        if (ScaleBlocks == 0)
            return 1f;
        int block = ScaleBlocks == 1 ? 0 : column / WeightScales.BlockSize;
        return Scales[row * ScaleBlocks + block];
    }

    private static WeightView Of(WeightMatrix matrix, int count)
    {
        if (matrix.Layout != WeightLayout.PaddedRows)
            throw new ArgumentException($"{matrix.Name} was not prepared for a device.", nameof(matrix));
        int rowWords = checked(matrix.Data.Columns * matrix.Format.Size() / sizeof(uint));
        ArrayView<uint> words = matrix.Data.Memory.Elements<uint>(matrix.Data.ByteOffset, (long)count * matrix.Rows * rowWords);
        Tensor? scales = matrix.Scales?.Values;
        return new WeightView
        {
            Words = words,
            Address = words.LoadEffectiveAddressAsPtr().ToInt64(),
            // A view of something valid, which is never read: OpenCL takes no empty ones.
            Scales = scales is null ? words.Cast<float>() : scales.Memory.Elements<float>(scales.ByteOffset, count * scales.Count),
            RowWords = rowWords,
            Rows = matrix.Rows,
            Columns = matrix.Columns,
            ScaleBlocks = scales?.Columns ?? 0,
        };
    }
}

/// <summary>A kernel for each format of weights.</summary>
internal sealed class WeightKernels<T>(string name, Action<T> f32, Action<T> bf16, Action<T> f16, Action<T> f8) where T : struct
{
    private readonly GpuKernel<T> _f32 = new($"{name}/F32", f32);
    private readonly GpuKernel<T> _bf16 = new($"{name}/BF16", bf16);
    private readonly GpuKernel<T> _f16 = new($"{name}/F16", f16);
    private readonly GpuKernel<T> _f8 = new($"{name}/F8_E4M3", f8);

    /// <summary>All of them.</summary>
    public IEnumerable<IGpuKernel> All => [_f32, _bf16, _f16, _f8];

    /// <summary>The kernel for <paramref name="format"/>.</summary>
    public GpuKernel<T> For(DType format) => format switch
    {
        DType.F32 => _f32,
        DType.BF16 => _bf16,
        DType.F16 => _f16,
        DType.F8E4M3 => _f8,
        _ => throw new ArgumentException($"There is no kernel for weights of {format.Name()}.", nameof(format)),
    };
}
