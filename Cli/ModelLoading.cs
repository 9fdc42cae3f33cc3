using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>Loads a model after a look at the memory, and says what runs.</summary>
internal static class ModelLoading
{
    /// <summary>Loads the checkpoint that the settings name.</summary>
    /// <param name="terminal">Told what runs.</param>
    /// <param name="settings">The checkpoint and what it runs on.</param>
    /// <param name="context">The most tokens that its cache will hold.</param>
    /// <param name="speculation">Who will draft; the MTP head is loaded only if it may.</param>
    /// <exception cref="InvalidInputException">The checkpoint is not right, or does not fit into the memory.</exception>
    public static Mellum Load(Terminal terminal, ModelSettings settings, long context, SpeculationOptions speculation)
    {
        RequireFolder(settings.Folder);
        bool wantsMtp = speculation.Kind is DraftKind.Auto or DraftKind.Mtp;
        ModelConfiguration configuration = ModelConfiguration.Load(settings.Folder);
        using (Checkpoint checkpoint = Checkpoint.Open(settings.Folder))
        {
            bool hasMtp = checkpoint.HasMtp(configuration) && wantsMtp;
            MemoryCheck.Require(
                terminal, settings, configuration, checkpoint.ByteLength,
                () => DevicePlan.WeightBytes(configuration, hasMtp, checkpoint.FormatOf, checkpoint.HasBlockScales), hasMtp, context);
        }
        using ProgressLine progress = new(terminal, "Loading:", "parts");
        Mellum mellum = Mellum.Load(settings.Folder, Options(settings) with { LoadMtp = wantsMtp, Progress = progress }, terminal.Cancel);
        progress.Dispose();
        terminal.Note(Describe(mellum.Model, settings.Folder));
        return mellum;
    }

    /// <summary>The engine's options.</summary>
    /// <exception cref="InvalidInputException">The processor has no vectors of that width.</exception>
    public static MellumOptions Options(ModelSettings settings)
    {
        if (settings.Width > Processor.WidestVectors)
            throw new InvalidInputException(
                $"--width {WidthName(settings.Width)} was asked for, but the widest vectors that this processor runs are {WidthName(Processor.WidestVectors)}.");
        if (settings.Reference && settings.Cache is not null)
            throw new UsageException("--cache does not go with --reference, whose cache is float64.");
        if (settings.Reference && settings.Products != ProductPrecision.F32)
            throw new UsageException("--products does not go with --reference, whose products are float64.");
        if (settings.OnCpu && settings.MatrixUnits != MatrixUnits.Automatic)
            throw new UsageException("--tensor-cores off does not go with --device cpu: the processor has no tensor cores.");
        return new MellumOptions
        {
            Device = settings.Device,
            MatrixUnits = settings.MatrixUnits,
            Threads = settings.Threads,
            VectorWidth = settings.Width,
            Reference = settings.Reference,
            CacheFormat = settings.Cache,
            Products = settings.Products,
            ChecksMemory = !settings.Force,
        };
    }

    /// <summary>One line: what runs, on what.</summary>
    public static string Describe(MellumModel model, string name) => Quantity.Text(
        $"Running {name} on {model.Context.Kernels.Description}; weights {Quantity.Bytes(model.WeightBytes)}, cache in {model.CacheFormat}, {(model.HasMtp ? "with" : "without")} MTP head.");

    /// <summary>The name of a width as the option <c>--width</c> has it.</summary>
    public static string WidthName(VectorWidth width) => width switch
    {
        VectorWidth.V512 => "512",
        VectorWidth.V256 => "256",
        VectorWidth.V128 => "128",
        VectorWidth.Scalar => "scalar",
        _ => "auto",
    };

    /// <summary>Refuses a folder that is not there.</summary>
    public static void RequireFolder(string folder)
    {
        if (!Directory.Exists(folder))
            throw new InvalidInputException($"The model folder {folder} does not exist.");
    }
}
