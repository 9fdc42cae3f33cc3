using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

/// <summary>Matrices as products take them.</summary>
/// <param name="Matrices">The rounded matrices; the masters themselves where nothing is rounded.</param>
/// <param name="Inverses">F32, for each what products by it are multiplied by; null without scales.</param>
internal sealed record WeightOperands(WeightMatrix[] Matrices, Tensor? Inverses);

/// <summary>
/// The rounded copies of the masters, float32 themselves: made at the first use after <see cref="Changed"/> and kept until the
/// next, so that all micro-batches of a step share them.
/// </summary>
internal sealed class RoundedWeights(ITrainingKernels kernels, TensorAllocator allocate) : IDisposable
{
    private readonly Dictionary<object, Entry> _entries = new(ReferenceEqualityComparer.Instance);
    private long _version;

    /// <summary>The bytes of the copies.</summary>
    public long ByteLength => _entries.Values.Sum(entry => entry.Operands.Matrices.Sum(matrix => matrix.ByteLength));

    /// <summary>Says that the masters have other values from now on.</summary>
    public void Changed() => _version++;

    /// <summary>One matrix.</summary>
    public WeightOperands Get(WeightMatrix matrix, TrainingPrecision precision) =>
        _entries.TryGetValue(matrix, out Entry? entry) ? Current(entry) : Add(matrix, [matrix], precision);

    /// <summary>The matrices of a layer's experts.</summary>
    public WeightOperands Get(WeightMatrix[] experts, TrainingPrecision precision) =>
        _entries.TryGetValue(experts, out Entry? entry) ? Current(entry) : Add(experts, experts, precision);

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (Entry entry in _entries.Values)
        {
            foreach (WeightMatrix matrix in entry.Operands.Matrices)
                matrix.Dispose();
            entry.Operands.Inverses?.Dispose();
            entry.Bounds?.Dispose();
        }
        _entries.Clear();
    }

    private WeightOperands Add(object key, WeightMatrix[] masters, TrainingPrecision precision)
    {
        WeightMatrix[] copies = [.. masters.Select(master =>
            WeightMatrix.RowMajor(master.Name, allocate(master.Data.Type, new Shape(master.Rows, master.Columns))))];
        bool scaled = precision == TrainingPrecision.FP8;
        Tensor? bounds = scaled ? Tensor.From<int>(DType.I32, new Shape(2), [0, masters[0].Rows]) : null;
        Tensor? inverses = scaled ? Tensor.Allocate(DType.F32, new Shape(masters.Length, 1)) : null;
        Entry entry = new(masters, new WeightOperands(copies, inverses), bounds);
        _entries.Add(key, entry);
        return Current(entry);
    }

    private WeightOperands Current(Entry entry)
    {
        if (entry.Version == _version)
            return entry.Operands;
        WeightMatrix[] copies = entry.Operands.Matrices;
        for (int i = 0; i < copies.Length; i++)
        {
            Tensor master = entry.Masters[i].Data, copy = copies[i].Data;
            if (entry.Bounds is { } bounds)
                kernels.RoundToFloat8(master, null, 1, bounds, DType.F8E4M3, copy, entry.Operands.Inverses!.RowsView(i, 1));
            else
                kernels.RoundToBFloat16(master, copy);
        }
        entry.Version = _version;
        return entry.Operands;
    }

    private sealed class Entry(WeightMatrix[] masters, WeightOperands operands, Tensor? bounds)
    {
        public WeightMatrix[] Masters => masters;

        public WeightOperands Operands => operands;

        /// <summary>The rows of a matrix as a segment.</summary>
        public Tensor? Bounds => bounds;

        public long Version { get; set; } = -1;
    }
}
