using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

/// <summary>
/// What the sampler says about its tokens and what the trainer says about them: the same bits, with weights that a training
/// step has changed.
/// </summary>
public sealed class SamplerLogProbabilityTests
{
    private const int Tokens = 48;

    private static readonly int[] s_prompt = [5, 11, 3, 7, 2];

    public static IEnumerable<object[]> Cases() =>
        from model in (string[])["mini", "training/plain", "models/odd", "random"]
        from precision in (TrainingPrecision[])[TrainingPrecision.F32, TrainingPrecision.BF16]
        from cache in precision == TrainingPrecision.F32 ? [DType.F32] : (DType[])[DType.F32, DType.BF16]
        from drafts in (int[])[0, 3]
        select new object[] { model, precision, cache, drafts };

    [Theory]
    [MemberData(nameof(Cases))]
    public void Trainer_and_sampler_give_the_same_bits(string name, TrainingPrecision precision, DType cache, int drafts)
    {
        using WorkerPool pool = new(2), other = new(1);
        using TrainingModel trainer = Trained(name, precision, cache, pool);
        using PooledWorkspace workspace = new();
        MellumModel sampler = Sampler(trainer, precision, cache, other, workspace);
        Sampled(sampler, drafts, out int[] ids, out float[] sampled);
        Assert.Equal(sampled, Recomputed(trainer, ids));
        sampler.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_checkpoint_loaded_by_both_gives_the_same_bits(bool rounded)
    {
        string folder = GoldenFolder.Find("mini");
        using Mellum mellum = Mellum.Load(folder, new MellumOptions { Products = rounded ? ProductPrecision.BF16 : ProductPrecision.F32, Threads = 2 });
        Assert.Equal(rounded, mellum.Model.Context.Kernels.Description.Contains("bfloat16", StringComparison.Ordinal));
        Sampled(mellum.Model, 2, out int[] ids, out float[] sampled);
        using WorkerPool pool = new(1);
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        using TrainingModel trainer = new(
            configuration, checkpoint, withMtp: true, SimdKernels.Create(pool),
            new TrainingModelOptions { Precision = rounded ? TrainingPrecision.BF16 : TrainingPrecision.F32 });
        Assert.Equal(sampled, Recomputed(trainer, ids));
    }

    [Fact]
    public void Rounded_products_change_the_numbers_and_allocate_nothing_per_token()
    {
        string folder = GoldenFolder.Find("mini");
        using Mellum plain = Mellum.Load(folder, new MellumOptions { Threads = 1 });
        using Mellum rounded = Mellum.Load(folder, new MellumOptions { Threads = 1, Products = ProductPrecision.BF16 });
        Sampled(plain.Model, 0, out _, out float[] a);
        Sampled(rounded.Model, 0, out _, out float[] b);
        Assert.NotEqual(a, b);
        using TokenDecoder decoder = Decoder(rounded.Model, 0, 256);
        decoder.Prefill(s_prompt);
        for (int i = 0; i < 8; i++)
            decoder.TryNext(out _);
        Assert.Equal(0, Allocations.Least(() => decoder.TryNext(out _)));
    }

    [Fact]
    public void Eight_bit_weights_are_refused()
    {
        InvalidInputException error = Assert.Throws<InvalidInputException>(() => Mellum.Random(
            ModelConfiguration.Load(GoldenFolder.Find("mini")), DType.F8E4M3, withMtp: false, new MellumOptions { Products = ProductPrecision.BF16, Threads = 1 }));
        Assert.Contains("F32 and BF16", error.Message, StringComparison.Ordinal);
    }

    // A few steps against the gradient, so that the weights are nobody's round numbers.
    private static TrainingModel Trained(string name, TrainingPrecision precision, DType cache, WorkerPool pool)
    {
        string folder = GoldenFolder.Find((name == "random" ? "mini" : name).Split('/'));
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        bool withMtp = checkpoint.Validate(configuration);
        IWeightSource source = name == "random" ? new RandomWeights(DType.F32, 3) : checkpoint;
        TrainingModel trainer = new(
            configuration, source, withMtp, SimdKernels.Create(pool), new TrainingModelOptions { Precision = precision, CacheFormat = cache });
        for (int step = 0; step < 2; step++)
        {
            int Token(int i, uint purpose) => (int)(Philox.Bits((ulong)step, (ulong)i, purpose) % (ulong)configuration.VocabularySize);
            int[] Draw(uint purpose) => [.. Enumerable.Range(0, 48).Select(i => Token(i, purpose))];
            trainer.Step([new TrainingBatch(24, Draw(1), Draw(2), Draw(3))], new LossFactors(0.1f, 1e-3f, 1e-3f));
            foreach (OptimizerParameter parameter in trainer.Parameters)
                for (int i = 0; i < parameter.Weight.Count; i++)
                    parameter.Weight.Span<float>()[i] -= 0.01f * parameter.Gradient.Span<float>()[i];
        }
        return trainer;
    }

    private static MellumModel Sampler(TrainingModel trainer, TrainingPrecision precision, DType cache, WorkerPool pool, PooledWorkspace workspace)
    {
        IForwardKernels kernels = SimdKernels.Create(pool);
        if (precision == TrainingPrecision.BF16)
            kernels = new BFloat16Kernels(kernels, workspace);
        bool withMtp = trainer.AllTensors.Any(tensor => tensor.Name.StartsWith("mtp.", StringComparison.Ordinal));
        ModelWeights weights = new WeightLoader(trainer.Configuration, new TrainedWeights(trainer), kernels).Load(withMtp);
        return new MellumModel(trainer.Configuration, weights, new ForwardContext(kernels, workspace), cache);
    }

    private static TokenDecoder Decoder(MellumModel model, int drafts, int context) => new(model, new DecoderOptions
    {
        Context = context,
        Sampler = StandardSampler.Create(new SamplerOptions(), model.Configuration.VocabularySize),
        Seed = 9,
        LogProbabilities = true,
        Speculation = drafts == 0 ? SpeculationOptions.Off : new SpeculationOptions(model.HasMtp ? DraftKind.Mtp : DraftKind.Lookup, drafts),
    });

    private static void Sampled(MellumModel model, int drafts, out int[] ids, out float[] logProbabilities)
    {
        using TokenDecoder decoder = Decoder(model, drafts, s_prompt.Length + Tokens + 8);
        decoder.Prefill(s_prompt);
        List<float> values = [];
        while (values.Count < Tokens && decoder.TryNext(out GeneratedToken token))
            values.Add(token.LogProbability);
        Assert.Equal(Tokens, values.Count);
        (ids, logProbabilities) = (decoder.Tokens.ToArray(), [.. values]);
    }

    // The sequence is the second row of its batch: what else is in it does not matter.
    private static float[] Recomputed(TrainingModel trainer, int[] ids)
    {
        int length = ids.Length - 1;
        int[] stranger = [.. Enumerable.Range(0, length).Select(i => i % 7)], ignored = [.. Enumerable.Repeat(CrossEntropyParameters.Ignored, length)];
        float[] losses = new float[2 * length];
        trainer.Evaluate(new TrainingBatch(length, [.. stranger, .. ids[..^1]], [.. ignored, .. ids[1..]], [.. ignored, .. ignored]), losses);
        return [.. losses.Skip(length + s_prompt.Length - 1).Select(loss => -loss)];
    }

    /// <summary>The trainer's weights as a checkpoint would hand them out.</summary>
    private sealed class TrainedWeights(TrainingModel trainer) : IWeightSource
    {
        private readonly Dictionary<string, Tensor> _tensors = trainer.AllTensors.ToDictionary(tensor => tensor.Name, tensor => tensor.Tensor);

        public WeightMatrix OpenMatrix(string name, int rows, int columns) =>
            WeightMatrix.RowMajor(name, Tensor.From<float>(DType.F32, new Shape(rows, columns), _tensors[name].Span<float>()));

        public Tensor OpenVector(string name, int length) => Tensor.From<float>(DType.F32, new Shape(length), _tensors[name].Span<float>());
    }
}
