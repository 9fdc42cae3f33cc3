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
public sealed class BFloat16Kernels(IForwardKernels kernels, IWorkspace workspace) : IForwardKernels, IDisposable
{
    // A tied embedding is looked up as it is and multiplied by rounded.
    private readonly Dictionary<WeightMatrix, WeightMatrix> _tiedHeads = new(ReferenceEqualityComparer.Instance);

    /// <inheritdoc/>
    public DType ActivationType => kernels.ActivationType;

    /// <inheritdoc/>
    public Device Device => kernels.Device;

    /// <inheritdoc/>
    public string Description => $"{kernels.Description}, products of bfloat16";

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">The weights are neither F32 nor BF16.</exception>
    public WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts)
    {
        string name = parts[0].Name;
        if (ModelConfiguration.IsRouter(name))
            return Prepare(parts, DType.F32);
        WeightMatrix rounded = Prepare(parts, DType.BF16);
        if (name != ModelConfiguration.EmbeddingName)
            return rounded;
        WeightMatrix table = kernels.Prepare(parts);
        _tiedHeads.Add(table, rounded);
        return table;
    }

    /// <inheritdoc/>
    public void Gather(WeightMatrix[] experts) => kernels.Gather(experts);

    /// <inheritdoc/>
    public Tensor PrepareVector(Tensor vector) => kernels.PrepareVector(vector);

    /// <inheritdoc/>
    public WeightMatrix PrepareEmbedding(WeightMatrix table) => kernels.PrepareEmbedding(table);

    /// <inheritdoc/>
    public void MatMul(Tensor x, WeightMatrix w, Tensor y)
    {
        if (ModelConfiguration.IsRouter(w.Name))
        {
            kernels.MatMul(x, w, y);
            return;
        }
        Tensor rounded = Rounded(x);
        kernels.MatMul(rounded, _tiedHeads.GetValueOrDefault(w, w), y);
        workspace.Release(rounded);
    }

    /// <inheritdoc/>
    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y)
    {
        Tensor rounded = Rounded(x);
        kernels.GroupedMatMul(rounded, order, slots, offsets, experts, y);
        workspace.Release(rounded);
    }

    /// <inheritdoc/>
    public void RoundToBFloat16(Tensor x, Tensor y) => kernels.RoundToBFloat16(x, y);

    /// <inheritdoc/>
    public void Embed(Tensor ids, WeightMatrix table, Tensor y) => kernels.Embed(ids, table, y);

    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y) => kernels.RmsNorm(x, weight, epsilon, y);

    /// <inheritdoc/>
    public void RopeTable(Tensor positions, RopeParameters parameters, Tensor table) => kernels.RopeTable(positions, parameters, table);

    /// <inheritdoc/>
    public void Rope(Tensor x, Tensor table, Tensor y) => kernels.Rope(x, table, y);

    /// <inheritdoc/>
    public void AppendKeyValues(Tensor k, Tensor v, SequenceRows rows, KvLayer cache) => kernels.AppendKeyValues(k, v, rows, cache);

    /// <inheritdoc/>
    public void Attention(
        Tensor q, SequenceRows rows, KvLayer cache, AttentionParameters parameters, Tensor output, Tensor? logSumExp = null) =>
        kernels.Attention(q, rows, cache, parameters, output, logSumExp);

    /// <inheritdoc/>
    public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias = null) =>
        kernels.Route(logits, k, renormalize, probabilities, experts, weights, bias);

    /// <inheritdoc/>
    public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place) => kernels.Dispatch(experts, offsets, order, place);

    /// <inheritdoc/>
    public void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y) => kernels.Combine(rows, place, weights, y);

    /// <inheritdoc/>
    public void SwiGlu(Tensor gateUp, Tensor y) => kernels.SwiGlu(gateUp, y);

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y) => kernels.Add(a, b, y);

    /// <inheritdoc/>
    public void CopyRows(Tensor x, int firstRow, Tensor y) => kernels.CopyRows(x, firstRow, y);

    /// <inheritdoc/>
    public void Concatenate(Tensor a, Tensor b, Tensor y) => kernels.Concatenate(a, b, y);

    /// <inheritdoc/>
    public void LogSumExp(Tensor logits, Tensor lse) => kernels.LogSumExp(logits, lse);

    /// <inheritdoc/>
    public void ArgMax(Tensor logits, Tensor ids) => kernels.ArgMax(logits, ids);

    /// <inheritdoc/>
    public void Advance(Tensor counters, int count) => kernels.Advance(counters, count);

    /// <inheritdoc/>
    public void TopCandidates(Tensor logits, int k, Tensor values, Tensor numbers) => kernels.TopCandidates(logits, k, values, numbers);

    /// <inheritdoc/>
    public void TakeOut(Tensor row, Tensor ids, int count, Tensor taken) => kernels.TakeOut(row, ids, count, taken);

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
        kernels.RoundToBFloat16(x, rounded);
        return rounded;
    }

    private WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts, DType format)
    {
        WeightMatrix[] converted = new WeightMatrix[parts.Length];
        try
        {
            for (int i = 0; i < parts.Length; i++)
                converted[i] = Converted(parts[i], format);
            return kernels.Prepare(converted);
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
