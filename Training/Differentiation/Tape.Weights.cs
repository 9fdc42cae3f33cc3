using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

public sealed partial class Tape
{
    private readonly HashSet<WeightMatrix> _frozen = new(ReferenceEqualityComparer.Instance);

    /// <summary>
    /// Which matrices are frozen, by their checkpoint names; null for none. What is frozen is multiplied by as it is in every
    /// <see cref="Precision"/>, and what no gradient passes through (all but the output head) is prepared as for inference, in
    /// its own format.
    /// </summary>
    public Func<string, bool>? IsFrozen { get; init; }

    /// <summary>
    /// Matrices in training are row-major in the activation type, so that an update needs no preparation; of those that are
    /// frozen only the output head is, because the gradient of its input is needed.
    /// </summary>
    public WeightMatrix Prepare(ReadOnlySpan<WeightMatrix> parts)
    {
        string name = parts[0].Name;
        if (IsFrozen?.Invoke(name) != true)
            return Masters(parts);
        // An embedding that is prepared as a matrix is the output head too.
        WeightMatrix matrix = name is ModelConfiguration.HeadName or ModelConfiguration.EmbeddingName ? Masters(parts) : _kernels.Prepare(parts);
        _frozen.Add(matrix);
        return matrix;
    }

    /// <inheritdoc/>
    public WeightMatrix PrepareEmbedding(WeightMatrix table) =>
        IsFrozen?.Invoke(table.Name) == true ? _kernels.PrepareEmbedding(table) : Masters([table]);

    private unsafe WeightMatrix Masters(ReadOnlySpan<WeightMatrix> parts)
    {
        int rows = 0;
        foreach (WeightMatrix part in parts)
            rows = checked(rows + part.Rows);
        int columns = parts[0].Columns;
        Tensor data = _activations.Allocate(ActivationType, new Shape(rows, columns));
        long next = 0;
        foreach (WeightMatrix part in parts)
        {
            for (int r = 0; r < part.Rows && part.Data.HasMemory && data.HasMemory; r++)
            {
                if (part is { Format: DType.F32, Layout: WeightLayout.RowMajor } && ActivationType == DType.F32)
                {
                    new ReadOnlySpan<float>(part.Data.Pointer<float>() + (long)r * columns, columns).CopyTo(new Span<float>(data.Pointer<float>() + next, columns));
                    next += columns;
                    continue;
                }
                for (int c = 0; c < columns; c++, next++)
                {
                    if (ActivationType == DType.F64)
                        data.Pointer<double>()[next] = part.At(r, c);
                    else
                        data.Pointer<float>()[next] = part.At(r, c);
                }
            }
        }
        return WeightMatrix.RowMajor(parts[0].Name, data);
    }
}
