using System.Collections.Immutable;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Tests;

/// <summary>Small models and batches.</summary>
internal static class TrainingShapes
{
    public static readonly LossFactors Factors = new(0.3f, 0.05f, 0.01f);

    /// <summary>Both kinds of attention, sparse layers, an MTP head.</summary>
    public static ModelConfiguration Tiny { get; } = ModelConfiguration.Named("mellum2-12b") with
    {
        VocabularySize = 61,
        HiddenSize = 32,
        LayerTypes = [AttentionKind.Sliding, AttentionKind.Full, AttentionKind.Sliding],
        MlpLayerTypes = [MlpKind.Sparse, MlpKind.Sparse, MlpKind.Sparse],
        HeadCount = 4,
        KeyValueHeadCount = 2,
        HeadSize = 16,
        ExpertSize = 16,
        ExpertCount = 8,
        ExpertsPerToken = 2,
        SlidingWindow = 6,
        SlidingRope = new RopeConfiguration(10_000),
        FullRope = new RopeConfiguration(10_000),
        MaximumPositions = 64,
        MtpLayerCount = 1,
    };

    /// <summary>Tiny with a dense layer, tied embeddings, weights that are not renormalised and the state before the norm.</summary>
    public static ModelConfiguration Odd { get; } = Tiny with
    {
        MlpLayerTypes = [MlpKind.Sparse, MlpKind.Dense, MlpKind.Sparse],
        IntermediateSize = 24,
        NormalizeExpertWeights = false,
        TieWordEmbeddings = true,
        MtpLayerType = AttentionKind.Full,
        MtpTakesNormedState = false,
    };

    /// <summary>Random tokens; documents of random lengths, 1 among them, where asked for.</summary>
    public static TrainingBatch Batch(int seed, int rows, int length, bool documents = false, int vocabulary = 61)
    {
        Random random = new(seed);
        int[] Draw() => [.. Enumerable.Range(0, rows * length).Select(_ => random.Next(vocabulary))];
        int[] ids = Draw(), labels = [.. ids], mtp = [.. ids], of = new int[ids.Length];
        for (int i = 0, document = 0; i < ids.Length; i++)
            of[i] = i % length == 0 || random.Next(3) == 0 ? ++document : document;
        for (int i = 0; i < ids.Length; i++)
        {
            bool Inside(int shift) => i % length + shift < length && (!documents || of[i + shift] == of[i]);
            labels[i] = Inside(1) ? ids[i + 1] : CrossEntropyParameters.Ignored;
            mtp[i] = Inside(2) ? ids[i + 2] : CrossEntropyParameters.Ignored;
        }
        return new TrainingBatch(length, ids, labels, mtp, documents ? of : null);
    }

    /// <summary>A model with the weights of <see cref="InitialWeights"/>.</summary>
    public static TrainingModel Create(ModelConfiguration configuration, ITrainingKernels kernels, TrainingModelOptions? options = null, bool withMtp = true) =>
        new(configuration, new InitialWeights(configuration with { InitializerRange = 0.2 }, 7), withMtp, kernels, options);

    /// <summary>The bytes of native memory, without what only waits for its finalizer.</summary>
    public static long NativeBytes()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return NativeBuffer.AllocatedBytes;
    }

    /// <summary>The gradients of all parameters.</summary>
    public static double[][] Gradients(this TrainingModel model) => [.. model.Parameters.Select(parameter => parameter.Gradient.Read())];

    /// <summary>All weights.</summary>
    public static byte[][] WeightBytes(this TrainingModel model, Func<string, bool> which) =>
        [.. model.AllTensors.Where(tensor => which(tensor.Name)).Select(tensor => tensor.Tensor.Bytes())];
}
