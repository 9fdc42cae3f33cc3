using System.CommandLine;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>Which model runs and on what.</summary>
/// <param name="Folder">The checkpoint.</param>
/// <param name="Threads">0 means one for each processor.</param>
/// <param name="Width">The width of vectors.</param>
/// <param name="Reference">Whether the float64 kernels run.</param>
/// <param name="Cache">The format of keys and values; null for the model's own.</param>
/// <param name="Products">How products round activations.</param>
/// <param name="Context">Tokens of prompt and output together; null for what is needed.</param>
/// <param name="Force">Whether the memory check only warns.</param>
/// <param name="Json">Whether the result is one JSON object.</param>
internal sealed record ModelSettings(
    string Folder, int Threads, VectorWidth Width, bool Reference, DType? Cache, ProductPrecision Products, int? Context, bool Force, bool Json)
{
    /// <summary>What runs the model, as <see cref="GpuDevices.Select"/> names it.</summary>
    public string Device { get; init; } = Engine.Device.Cpu.Name;

    /// <summary>What a device multiplies matrices with.</summary>
    public MatrixUnits MatrixUnits { get; init; }

    /// <summary>Whether the processor runs it.</summary>
    public bool OnCpu => Device == Engine.Device.Cpu.Name;
}

/// <summary>The options behind <see cref="ModelSettings"/>, the same in every verb.</summary>
internal sealed class ModelOptions
{
    private const int MostThreads = 1024;

    private readonly Option<string?> _model = new("--model")
    {
        Description = "The folder of the checkpoint; without it, the small one that comes with the program.",
        HelpName = "FOLDER",
    };

    private readonly Option<string> _device = new("--device")
    {
        Description = "What runs the model: cpu, cuda, opencl, opencl-cpu (each with :INDEX if there are several), or auto for the first GPU or else the processor; doctor lists them.",
        HelpName = "DEVICE",
        DefaultValueFactory = _ => Device.Cpu.Name,
    };

    private readonly WordOption<MatrixUnits> _tensorCores = new(
        "--tensor-cores", "Whether a device's tensor cores multiply; auto uses them where there are any, off multiplies in float32.", "auto",
        ("auto", MatrixUnits.Automatic), ("off", MatrixUnits.None));

    private readonly Option<int> _threads = NumberOptions.Whole("--threads", "Threads; 0 means one for each processor.", 0, 0, MostThreads);

    private readonly WordOption<VectorWidth> _width = new(
        "--width", "The width of vectors in bits; all give the same result.", "auto",
        ("auto", VectorWidth.Auto), ("512", VectorWidth.V512), ("256", VectorWidth.V256), ("128", VectorWidth.V128), ("scalar", VectorWidth.Scalar));

    private readonly Option<bool> _reference = new("--reference") { Description = "Runs the float64 reference kernels: slow and exact." };

    private readonly WordOption<DType?> _cache = new(
        "--cache", "The format of keys and values; auto takes bf16 where weights are not f32 and the cache may grow large.", "auto",
        ("auto", null), ("f32", DType.F32), ("bf16", DType.BF16));

    private readonly WordOption<ProductPrecision> _products = new(
        "--products", "Activations in products; bf16 samples a model that was trained in BF16 with the numbers of its training, fp8 rounds them to E4M3 where weights are FP8.",
        "f32",
        ("f32", ProductPrecision.F32), ("bf16", ProductPrecision.BF16), ("fp8", ProductPrecision.FP8));

    private readonly Option<int?> _context = NumberOptions.OptionalWhole(
        "--context", "Tokens of prompt and output together; without it, what is needed.", 1);

    private readonly Option<bool> _force = new("--force") { Description = "Goes on when weights and cache do not seem to fit into the memory." };

    private readonly Option<bool> _json = new("--json") { Description = "Prints the result as a JSON object." };

    /// <summary>Gives the options to a verb.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_model, _device, _tensorCores, _threads, _width, _reference, _cache, _products, _context, _force, _json])
            command.Options.Add(option);
    }

    public ModelSettings Read(ParseResult parsed) => new(
        parsed.GetValue(_model) ?? Mellum.DefaultFolder,
        parsed.GetValue(_threads),
        _width.Read(parsed),
        parsed.GetValue(_reference),
        _cache.Read(parsed),
        _products.Read(parsed),
        parsed.GetValue(_context),
        parsed.GetValue(_force),
        parsed.GetValue(_json))
    {
        Device = parsed.GetValue(_device)!,
        MatrixUnits = _tensorCores.Read(parsed),
    };

    /// <summary>Whether a checkpoint was named.</summary>
    public bool NamesModel(ParseResult parsed) => parsed.GetValue(_model) is not null;
}
