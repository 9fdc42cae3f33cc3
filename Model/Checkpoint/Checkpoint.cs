using System.Diagnostics.CodeAnalysis;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// The weights of a model: <c>model.safetensors</c>, or shards with <c>model.safetensors.index.json</c>. Files are
/// mapped; a tensor costs memory only while something reads it.
/// </summary>
public sealed partial class Checkpoint : IWeightSource, IDisposable
{
    private readonly List<SafetensorsFile> _files;
    private readonly Dictionary<string, CheckpointTensor> _tensors = new(StringComparer.Ordinal);
    private readonly int? _foreignMtpLayer;

    private Checkpoint(string folder, List<SafetensorsFile> files)
    {
        Folder = folder;
        _files = files;
        _foreignMtpLayer = MtpNames.FindLayer(files.SelectMany(file => file.Tensors, (_, tensor) => tensor.Name), folder);
        foreach (SafetensorsFile file in files)
        {
            foreach (SafetensorsTensor stored in file.Tensors)
            {
                string name = _foreignMtpLayer is { } layer ? MtpNames.Translate(stored.Name, layer) : stored.Name;
                if (!_tensors.TryAdd(name, new CheckpointTensor(name, stored, file)))
                    throw new InvalidInputException($"{folder} has tensor \"{name}\" twice, the second time as \"{stored.Name}\" in {file.Path}.");
            }
        }
    }

    /// <summary>The folder that holds the files.</summary>
    public string Folder { get; }

    /// <summary>Every tensor, in no order that matters.</summary>
    public IReadOnlyCollection<CheckpointTensor> Tensors => _tensors.Values;

    /// <summary>The bytes of all tensors.</summary>
    public long ByteLength => Tensors.Sum(tensor => tensor.Stored.ByteLength);

    /// <summary>Whether there is any tensor of an MTP head; <see cref="HasMtp"/> says whether it is whole and wanted.</summary>
    private bool HasAnyMtpTensor => _tensors.Keys.Any(name => name.StartsWith("mtp.", StringComparison.Ordinal));

    /// <summary>Opens the checkpoint in <paramref name="folder"/> and checks every header; no weight is read.</summary>
    /// <exception cref="InvalidInputException">A file is missing, breaks a rule of its format or contradicts the index.</exception>
    public static Checkpoint Open(string folder)
    {
        List<SafetensorsFile> files = CheckpointFiles.Open(folder);
        try
        {
            return new Checkpoint(folder, files);
        }
        catch
        {
            files.ForEach(file => file.Dispose());
            throw;
        }
    }

    /// <summary>Finds a tensor by name.</summary>
    /// <returns>Whether the checkpoint has it.</returns>
    public bool TryFind(string name, [NotNullWhen(true)] out CheckpointTensor? tensor) => _tensors.TryGetValue(name, out tensor);

    /// <summary>The tensor with this name.</summary>
    /// <exception cref="InvalidInputException">The checkpoint has none.</exception>
    public CheckpointTensor Find(string name) =>
        TryFind(name, out CheckpointTensor? tensor) ? tensor : throw new InvalidInputException($"The checkpoint {Folder} lacks tensor \"{name}\".");

    /// <summary>The format of a tensor; F32 where the file's is none that the engine keeps.</summary>
    /// <exception cref="InvalidInputException">The checkpoint has none of this name.</exception>
    public DType FormatOf(string name) => DTypes.TryParse(Find(name).Stored.Format, out DType type) ? type : DType.F32;

    /// <summary>Whether a matrix has scales for blocks of 128 × 128; false for a vector and for a name that there is not.</summary>
    /// <exception cref="InvalidInputException">Its scales do not fit.</exception>
    public bool HasBlockScales(string name) =>
        TryFind(name, out CheckpointTensor? tensor)
        && tensor.Stored.Dimensions is [<= int.MaxValue and var rows, <= int.MaxValue and var columns]
        && FindScales(tensor, (int)rows, (int)columns)?.Kind == ScaleKind.Block;

    /// <summary>
    /// A matrix over the mapped bytes, row-major, with its scales if it is FP8. Disposing of it gives the pages back.
    /// FP8 without a scale tensor has scale 1.
    /// </summary>
    /// <param name="name">The tensor's name, which ends in <c>.weight</c>.</param>
    /// <param name="rows">The outputs that are expected.</param>
    /// <param name="columns">The inputs that are expected.</param>
    /// <exception cref="InvalidInputException">The tensor is missing or has another shape, or a format or scales that do not fit.</exception>
    public WeightMatrix OpenMatrix(string name, int rows, int columns)
    {
        CheckpointTensor tensor = Find(name);
        RequireMatrix(tensor, new Shape(rows, columns));
        WeightScales? scales = OpenScales(tensor, rows, columns);
        return WeightMatrix.RowMajor(name, tensor.File.OpenTensor(tensor.Stored), scales);
    }

    /// <summary>The weights of a norm, as float32 in memory of their own: exact from F32, BF16 and F16.</summary>
    /// <param name="name">The tensor's name.</param>
    /// <param name="length">The elements that are expected.</param>
    /// <exception cref="InvalidInputException">The tensor is missing or has another shape or format.</exception>
    public Tensor OpenVector(string name, int length)
    {
        CheckpointTensor tensor = Find(name);
        RequireVector(tensor, new Shape(length));
        return ToFloat32(tensor, new Shape(length));
    }

    /// <inheritdoc/>
    public void Dispose() => _files.ForEach(file => file.Dispose());

    private WeightScales? OpenScales(CheckpointTensor weights, int rows, int columns)
    {
        if (FindScales(weights, rows, columns) is not { } found)
            return null;
        int blockRows = Blocks(rows), blockColumns = Blocks(columns);
        Shape shape = found.Kind switch
        {
            ScaleKind.Tensor => new Shape(1),
            ScaleKind.Row => new Shape(rows, 1),
            _ => new Shape(blockRows, blockColumns),
        };
        Tensor values = ToFloat32(found.Tensor, shape);
        foreach (float value in values.Span<float>())
        {
            if (float.IsFinite(value))
                continue;
            values.Dispose();
            throw new InvalidInputException($"{found.Tensor.File.Path} has a scale that is not finite in tensor \"{found.Tensor.Stored.Name}\".");
        }
        return new WeightScales(found.Kind, values);
    }

    private static unsafe Tensor ToFloat32(CheckpointTensor tensor, Shape shape)
    {
        using Tensor source = tensor.File.OpenTensor(tensor.Stored);
        Tensor target = Tensor.Allocate(DType.F32, shape);
        FormatConversion.ToSingle(source.Type, new ReadOnlySpan<byte>(source.Data, checked((int)source.ByteLength)), target.Span<float>());
        return target;
    }

    private static int Blocks(int length) => (length + WeightScales.BlockSize - 1) / WeightScales.BlockSize;
}
