using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// A back end whose products are those of BF16 training: activations are rounded to bfloat16 before every product but the
/// router's, weights are kept in bfloat16 and the router in float32. A model that was trained so is sampled with exactly the
/// numbers of its training, from the float32 masters or from a bfloat16 checkpoint that was trained on.
/// </summary>
/// <param name="kernels">What computes.</param>
/// <param name="workspace">Where rounded activations are for the time of a product.</param>
public sealed class BFloat16Kernels(IForwardKernels kernels, IWorkspace workspace) : ForwardingKernels(kernels), IDisposable
{
    // A tied embedding is looked up as it is and multiplied by rounded.
    private readonly Dictionary<WeightMatrix, WeightMatrix> _tiedHeads = new(ReferenceEqualityComparer.Instance);

    /// <inheritdoc/>
    public override string Description => $"{Kernels.Description}, products of bfloat16";

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">The weights are neither F32 nor BF16.</exception>
    public override WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts)
    {
        string name = parts[0].Name;
        if (ModelConfiguration.IsRouter(name))
            return Prepare(parts, DType.F32);
        WeightMatrix rounded = Prepare(parts, DType.BF16);
        if (name != ModelConfiguration.EmbeddingName)
            return rounded;
        WeightMatrix table = Kernels.Prepare(parts);
        _tiedHeads.Add(table, rounded);
        return table;
    }

    /// <inheritdoc/>
    public override void MatMul(Tensor x, WeightMatrix w, Tensor y)
    {
        if (ModelConfiguration.IsRouter(w.Name))
        {
            Kernels.MatMul(x, w, y);
            return;
        }
        Tensor rounded = Rounded(x);
        Kernels.MatMul(rounded, _tiedHeads.GetValueOrDefault(w, w), y);
        workspace.Release(rounded);
    }

    /// <inheritdoc/>
    public override void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y)
    {
        Tensor rounded = Rounded(x);
        Kernels.GroupedMatMul(rounded, order, slots, offsets, experts, y);
        workspace.Release(rounded);
    }

    /// <summary>Lets go of the rounded copies of tied embeddings.</summary>
    public void Dispose()
    {
        foreach (WeightMatrix head in _tiedHeads.Values)
            head.Dispose();
        _tiedHeads.Clear();
    }

    private Tensor Rounded(Tensor x)
    {
        Tensor rounded = workspace.Rent(x.Type, x.Shape);
        Kernels.RoundToBFloat16(x, rounded);
        return rounded;
    }

    private WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts, DType format)
    {
        WeightMatrix[] converted = new WeightMatrix[parts.Length];
        try
        {
            for (int i = 0; i < parts.Length; i++)
                converted[i] = Converted(parts[i], format);
            return Kernels.Prepare(converted);
        }
        finally
        {
            foreach (WeightMatrix? copy in converted)
                copy?.Dispose();
        }
    }

    private static WeightMatrix Converted(WeightMatrix matrix, DType format)
    {
        if (matrix.Format is not (DType.F32 or DType.BF16))
            throw new InvalidInputException(
                $"{matrix.Name} has weights of {matrix.Format.Name()}; products of bfloat16 take F32 and BF16 weights.");
        Tensor copy = Tensor.Allocate(format, new Shape(matrix.Rows, matrix.Columns));
        float[] row = new float[matrix.Columns];
        for (int r = 0; r < matrix.Rows; r++)
        {
            FormatConversion.ToSingle(matrix.Format, Row(matrix.Data, r), row);
            if (format == DType.F32)
                MemoryMarshal.AsBytes<float>(row).CopyTo(Row(copy, r));
            else
                FormatConversion.FromSingle(format, row, Row(copy, r));
        }
        return WeightMatrix.RowMajor(matrix.Name, copy);
    }

    private static unsafe Span<byte> Row(Tensor matrix, int row)
    {
        int bytes = matrix.Columns * matrix.Type.Size();
        return new Span<byte>(matrix.Data + (long)row * bytes, bytes);
    }
}
