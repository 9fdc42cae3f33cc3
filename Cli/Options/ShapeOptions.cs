using System.CommandLine;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>A model without a checkpoint: its shape and the format that its weights would have.</summary>
internal sealed record NamedShape(string Name, ModelConfiguration Configuration, DType Format, bool WithMtp);

/// <summary>The options that name a shape instead of a checkpoint.</summary>
internal sealed class ShapeOptions
{
    private readonly Option<string?> _shape = new("--shape")
    {
        Description = $"A shape by its name, without a checkpoint: {string.Join(", ", ModelConfiguration.Names)}.",
        HelpName = "NAME",
    };

    private readonly Option<int?> _layers = NumberOptions.OptionalWhole("--layers", "As many layers instead of the shape's own.", 1);

    private readonly WordOption<DType> _type = FormatOption("The format of the shape's weights.", "bf16");

    private readonly Option<bool> _mtp = new("--with-mtp") { Description = "The shape with an MTP head." };

    /// <summary>An option that takes a format of weights.</summary>
    public static WordOption<DType> FormatOption(string description, string? standard) => new(
        "--dtype", description, standard, ("bf16", DType.BF16), ("f32", DType.F32), ("f16", DType.F16), ("fp8", DType.F8E4M3));

    /// <summary>Gives the options to a verb.</summary>
    public void AddTo(Command command)
    {
        foreach (Option option in (Option[])[_shape, _layers, _type, _mtp])
            command.Options.Add(option);
    }

    /// <summary>The shape, or null where none was named.</summary>
    public NamedShape? Read(ParseResult parsed, bool namesModel)
    {
        string? name = parsed.GetValue(_shape);
        int? layers = parsed.GetValue(_layers);
        if (name is null)
            return layers is null && !parsed.GetValue(_mtp) && !_type.IsGiven(parsed)
                ? null
                : throw new UsageException("--layers, --dtype and --with-mtp belong to --shape.");
        if (namesModel)
            throw new UsageException("--model and --shape exclude each other.");
        ModelConfiguration configuration = ModelConfiguration.Named(name);
        return new NamedShape(name, layers is null ? configuration : configuration.WithLayers(layers.Value), _type.Read(parsed), parsed.GetValue(_mtp));
    }
}

/// <summary>The bytes of a tensor in a format, as <see cref="RandomWeights"/> makes them.</summary>
internal static class ShapeBytes
{
    /// <summary>The bytes by format: for FP8 also the scales, and BF16 where FP8 is not for it.</summary>
    public static IEnumerable<(DType Type, long Bytes)> Of(ExpectedTensor tensor, DType format)
    {
        DType type = RandomWeights.FormatOf(tensor.Name, format);
        if (tensor.Shape.Rank != 2 && type == DType.F8E4M3)
            type = DType.BF16;
        yield return (type, tensor.Shape.Count * type.Size());
        if (type == DType.F8E4M3)
            yield return (DType.F32, (long)Blocks(tensor.Shape.Rows) * Blocks(tensor.Shape.Columns) * sizeof(float));
    }

    private static int Blocks(int length) => (length + WeightScales.BlockSize - 1) / WeightScales.BlockSize;
}
