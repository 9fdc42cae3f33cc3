using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// A checkpoint ready to run: model, tokenizer, chat template and the threads behind them. The door for programs that
/// want text; those that want tensors go on to <see cref="Model"/>.
/// </summary>
public sealed class Mellum : IDisposable
{
    private readonly Owned _owned;

    private Mellum(Owned owned, MellumModel model, Tokenizer? tokenizer, ChatTemplate? chat)
    {
        (_owned, Model, Chat) = (owned, model, chat);
        TokenizerOrNull = tokenizer;
    }

    /// <summary>The folder of the small checkpoint that comes with the program.</summary>
    public static string DefaultFolder => Path.Combine(AppContext.BaseDirectory, "default");

    /// <summary>The model.</summary>
    public MellumModel Model { get; }

    /// <summary>The tokenizer.</summary>
    /// <exception cref="InvalidInputException">The checkpoint has none.</exception>
    public Tokenizer Tokenizer => TokenizerOrNull
        ?? throw new InvalidInputException("The checkpoint has no tokenizer.json, so it takes and gives token ids only.");

    /// <summary>The chat template; null where the checkpoint has none.</summary>
    public ChatTemplate? Chat { get; }

    private Tokenizer? TokenizerOrNull { get; }

    /// <summary>Loads the checkpoint in <paramref name="folder"/>.</summary>
    /// <exception cref="InvalidInputException">
    /// A file is missing, damaged or not understood, or the device has not the memory for the weights.
    /// </exception>
    public static Mellum Load(string folder, MellumOptions? options = null, CancellationToken cancel = default)
    {
        options ??= new MellumOptions();
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        bool withMtp = checkpoint.Validate(configuration) && options.LoadMtp;
        string tokenizerFile = Path.Combine(folder, "tokenizer.json");
        Tokenizer? tokenizer = File.Exists(tokenizerFile) ? Tokenizer.Load(tokenizerFile) : null;
        if (tokenizer is not null && tokenizer.VocabularySize > configuration.VocabularySize)
            throw new InvalidInputException(
                $"{tokenizerFile} has ids up to {tokenizer.VocabularySize - 1}, but the model's vocabulary has {configuration.VocabularySize} tokens.");
        return Create(configuration, checkpoint, checkpoint.FormatOf, checkpoint.HasBlockScales, withMtp, options, tokenizer, ChatTemplate.Load(folder), cancel);
    }

    /// <summary>A model of random weights, for measuring; it has no tokenizer.</summary>
    public static Mellum Random(
        ModelConfiguration configuration, DType format, bool withMtp, MellumOptions? options = null, ulong seed = 0) =>
        Create(
            configuration, new RandomWeights(format, seed), name => RandomWeights.FormatOf(name, format), null, withMtp,
            options ?? new MellumOptions(), null, null, default);

    /// <summary>
    /// Generates a text.
    /// </summary>
    /// <param name="prompt">The prompt; control tokens in it are taken as such.</param>
    /// <param name="options">Sampling, stop conditions, speculation.</param>
    /// <param name="sink">Receives the text while it comes; null to wait for the whole.</param>
    /// <param name="cancel">Ends the generation early.</param>
    public (string Text, GenerationResult Result) Generate(
        string prompt, GenerationOptions? options = null, TextSink? sink = null, CancellationToken cancel = default)
    {
        options ??= new GenerationOptions();
        int[] ids = Tokenizer.Encode(prompt, EncodeOptions.Prompt);
        using TextGenerator generator = CreateGenerator(options, ids.Length);
        MemoryStream text = new();
        GenerationResult result = generator.Run(ids, utf8 => { text.Write(utf8); sink?.Invoke(utf8); }, null, cancel);
        return (Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length), result);
    }

    /// <summary>A generator whose context holds a prompt of that many tokens and the output, or what the options say.</summary>
    public TextGenerator CreateGenerator(GenerationOptions options, int promptTokens) =>
        new(Model, Tokenizer, options, ContextFor(options, promptTokens));

    /// <summary>The tokens of context that a prompt and its output need, at most what the model has positions for.</summary>
    /// <exception cref="InvalidInputException">The prompt alone does not fit.</exception>
    public int ContextFor(GenerationOptions options, int promptTokens)
    {
        int most = Model.Configuration.MaximumPositions;
        if (promptTokens > (options.Context ?? most))
            throw new InvalidInputException(
                $"The prompt has {promptTokens} tokens, but the context has room for {options.Context ?? most}.");
        return options.Context ?? (int)Math.Min(most, (long)promptTokens + options.MaxTokens + 1);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Model.Dispose();
        _owned.Dispose();
    }

    private static Mellum Create(
        ModelConfiguration configuration,
        IWeightSource source,
        Func<string, DType> format,
        Func<string, bool>? hasBlockScales,
        bool withMtp,
        MellumOptions options,
        Tokenizer? tokenizer,
        ChatTemplate? chat,
        CancellationToken cancel)
    {
        Owned owned = new();
        try
        {
            IForwardKernels kernels = CreateKernels(options, owned);
            if (options.ChecksMemory && kernels.Device is GpuDevice gpu)
                DevicePlan.Loading(gpu.Description, configuration, withMtp, format, hasBlockScales).Check();
            PooledWorkspace workspace = owned.Add(new PooledWorkspace(kernels.Device.Allocate));
            if (options.Products == ProductPrecision.BF16)
                kernels = owned.Add(new BFloat16Kernels(kernels, workspace));
            else if (options.Products == ProductPrecision.FP8)
                kernels = WithFloat8Products((IFloat8Kernels)kernels, workspace, configuration, format);
            ModelWeights weights = new WeightLoader(configuration, source, kernels).Load(withMtp, options.Progress, cancel);
            DType? cacheFormat = options.Reference ? null : options.CacheFormat;
            MellumModel model = new(configuration, weights, new ForwardContext(kernels, workspace), cacheFormat);
            return new Mellum(owned, model, tokenizer, chat);
        }
        catch
        {
            owned.Dispose();
            throw;
        }
    }

    private static Float8Kernels WithFloat8Products(
        IFloat8Kernels kernels, IWorkspace workspace, ModelConfiguration configuration, Func<string, DType> format)
    {
        if (!configuration.TrunkTensors().Any(tensor => tensor.Shape.Rank == 2 && format(tensor.Name) == DType.F8E4M3))
            throw new InvalidInputException(
                "Products of FP8 take a checkpoint with weights of F8_E4M3, and this one has none; mellum2 convert --dtype fp8 makes one.");
        return new Float8Kernels(kernels, workspace);
    }

    private static IForwardKernels CreateKernels(MellumOptions options, Owned owned)
    {
        Device device = GpuDevices.Select(options.Device);
        if (device is GpuDevice gpu)
        {
            owned.Add(gpu);
            return options.Reference
                ? throw new InvalidInputException($"The float64 reference kernels run on the processor, not on {device}.")
                : owned.Add(new GpuKernels(gpu, new GpuKernelOptions { MatrixUnits = options.MatrixUnits }));
        }
        return options.Reference
            ? new ReferenceKernels()
            : SimdKernels.Create(owned.Add(new WorkerPool(options.Threads)), options.VectorWidth);
    }

    /// <summary>What lives as long as the model; it is let go of in reverse order.</summary>
    private sealed class Owned : IDisposable
    {
        private readonly Stack<IDisposable> _all = new();

        public T Add<T>(T item) where T : IDisposable
        {
            _all.Push(item);
            return item;
        }

        public void Dispose()
        {
            while (_all.TryPop(out IDisposable? item))
                item.Dispose();
        }
    }
}
