using System.Globalization;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// The memory of a training run in bytes, known before any of it is taken: a step of the model itself runs on kernels that compute
/// nothing and on tensors without memory, so what it asks for is what a run asks for. Buffers of the kernels themselves, which
/// do not grow with the batch, are not in it.
/// </summary>
/// <param name="Weights">The masters in float32; a frozen trunk in its own format.</param>
/// <param name="RoundedWeights">The masters' rounded copies in BF16 and FP8 training.</param>
/// <param name="Gradients">The gradients of the trained parameters.</param>
/// <param name="OptimizerState">Muon's momenta and its update, AdamW's two moments.</param>
/// <param name="Activations">The most that a micro-batch holds of activations and their gradients.</param>
/// <param name="Cache">The keys and values that attention reads.</param>
public sealed record MemoryPlan(long Weights, long RoundedWeights, long Gradients, long OptimizerState, long Activations, long Cache)
{
    // Tensors up to this size have memory in any case: token ids, targets and what a step reads back.
    private const long SmallBytes = 1 << 16;

    /// <summary>All of it.</summary>
    public long Total => Weights + RoundedWeights + Gradients + OptimizerState + Activations + Cache;

    /// <summary>Plans a run.</summary>
    /// <param name="configuration">The shape.</param>
    /// <param name="withMtp">Whether there is an MTP head.</param>
    /// <param name="options">How it is trained.</param>
    /// <param name="microBatchRows">The rows of a micro-batch; how many of them make a step changes nothing.</param>
    /// <param name="length">The tokens of a row.</param>
    /// <param name="groups">Which optimizer has which parameter; null for <see cref="ParameterGroups.For"/>.</param>
    /// <param name="trunk">Where a frozen trunk comes from, for its formats; its weights are not read. Null for float32.</param>
    public static MemoryPlan For(
        ModelConfiguration configuration, bool withMtp, TrainingModelOptions options, int microBatchRows, int length, ParameterGroups? groups = null,
        IWeightSource? trunk = null)
    {
        int tokens = checked(microBatchRows * length);
        long small = Math.Max(SmallBytes, 8L * tokens);
        Tensor Allocate(DType type, Shape shape, long capacity) =>
            Math.Max(capacity, shape.Count * type.Size()) <= small ? Tensor.AllocateBytes(type, shape, capacity) : Tensor.WithoutMemory(type, shape, capacity);
        Placeholders weights = new(options.Trained == TrainedPart.MtpHead ? trunk : null);
        using TrainingModel model = new(configuration, weights, withMtp, new PlanningKernels(), options, Allocate);
        int[] zeros = new int[tokens];
        model.AddGradients([new TrainingBatch(length, zeros, zeros, zeros)], default);
        groups ??= ParameterGroups.For(configuration, withMtp, splitGateUp: false, options.Trained);
        return new MemoryPlan(
            model.WeightBytes, model.RoundedWeightBytes,
            model.Parameters.Sum(parameter => parameter.Gradient.ByteLength), StateBytes(groups, model.Parameters),
            model.ActivationBytes, model.CacheBytes);
    }

    /// <summary>Stops a run that does not fit.</summary>
    /// <param name="available">The bytes that there are.</param>
    /// <exception cref="InvalidInputException">There are fewer than <see cref="Total"/>.</exception>
    public void Require(long available)
    {
        if (Total > available)
            throw new InvalidInputException($"Training takes {this}, but only {Megabytes(available)} of memory are available.");
    }

    /// <summary>The plan in words.</summary>
    public override string ToString()
    {
        string rounded = RoundedWeights == 0 ? "" : $"their rounded copies {Megabytes(RoundedWeights)}, ";
        return $"{Megabytes(Total)}: weights {Megabytes(Weights)}, {rounded}gradients {Megabytes(Gradients)}, optimizer state {Megabytes(OptimizerState)}, activations {Megabytes(Activations)}, keys and values {Megabytes(Cache)}";
    }

    private static long StateBytes(ParameterGroups groups, IReadOnlyList<OptimizerParameter> parameters)
    {
        Dictionary<string, long> bytes = parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Gradient.ByteLength);
        long moments = 2 * groups.AdamW.Sum(entry => bytes[entry.Name]), largest = 0;
        foreach (MuonGroup group in groups.Muon)
        {
            long batch = group.Matrices.SelectMany(matrix => matrix).Sum(name => bytes[name]);
            moments += batch;
            largest = Math.Max(largest, batch);
        }
        return moments + largest;
    }

    private static string Megabytes(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:N1} MB");

    /// <summary>Weights without memory; a frozen trunk's matrices are opened for their formats.</summary>
    private sealed class Placeholders(IWeightSource? trunk) : IWeightSource
    {
        public WeightMatrix OpenMatrix(string name, int rows, int columns) => trunk is not null && !ModelConfiguration.IsMtp(name)
            ? trunk.OpenMatrix(name, rows, columns)
            : WeightMatrix.RowMajor(name, Tensor.WithoutMemory(DType.F32, new Shape(rows, columns)));

        public Tensor OpenVector(string name, int length) => Tensor.WithoutMemory(DType.F32, new Shape(length));
    }
}
