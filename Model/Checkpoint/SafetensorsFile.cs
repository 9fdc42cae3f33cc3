using System.Diagnostics.CodeAnalysis;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// A safetensors file, mapped read-only: opening reads the header, a tensor's pages are read when it is used and
/// given back when its view is disposed of.
/// </summary>
public sealed class SafetensorsFile : IDisposable
{
    private readonly MappedFile _file;
    private readonly Dictionary<string, SafetensorsTensor> _byName;

    private SafetensorsFile(MappedFile file, SafetensorsHeader header)
    {
        _file = file;
        Tensors = header.Tensors;
        Metadata = header.Metadata;
        _byName = header.Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
    }

    /// <summary>The file's path.</summary>
    public string Path => _file.Path;

    /// <summary>The file's size.</summary>
    public long ByteLength => _file.ByteLength;

    /// <summary>The tensors in the order of their bytes.</summary>
    public IReadOnlyList<SafetensorsTensor> Tensors { get; }

    /// <summary>The strings under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Opens a file and checks its header.</summary>
    /// <exception cref="InvalidInputException">The file cannot be read or breaks a rule of the format.</exception>
    public static unsafe SafetensorsFile Open(string path)
    {
        MappedFile file = new(path);
        try
        {
            int length;
            using (MappedView start = file.View(0, Math.Min(file.ByteLength, sizeof(ulong))))
                length = SafetensorsHeader.ReadLength(new ReadOnlySpan<byte>(start.Pointer, (int)start.ByteLength), file.ByteLength, path);
            using MappedView json = file.View(sizeof(ulong), length);
            SafetensorsHeader header = SafetensorsHeader.Parse(new ReadOnlySpan<byte>(json.Pointer, length), file.ByteLength, path);
            return new SafetensorsFile(file, header);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Finds a tensor by name.</summary>
    /// <returns>Whether the file has it.</returns>
    public bool TryFind(string name, [NotNullWhen(true)] out SafetensorsTensor? tensor) => _byName.TryGetValue(name, out tensor);

    /// <summary>The tensor with this name.</summary>
    /// <exception cref="InvalidInputException">The file has none.</exception>
    public SafetensorsTensor Find(string name) =>
        TryFind(name, out SafetensorsTensor? tensor) ? tensor : throw new InvalidInputException($"{Path} has no tensor \"{name}\".");

    /// <summary>The bytes of a tensor of this file. They need not be aligned.</summary>
    public MappedView View(SafetensorsTensor tensor) => _file.View(tensor.Offset, tensor.ByteLength);

    /// <summary>A tensor over the mapped bytes, in the format and shape of the file. Its bytes need not be aligned.</summary>
    /// <exception cref="InvalidInputException">This engine has no such number format or shape.</exception>
    public Tensor OpenTensor(SafetensorsTensor tensor)
    {
        if (!DTypes.TryParse(tensor.Format, out DType type))
            throw new InvalidInputException($"{Path} has tensor \"{tensor.Name}\" in the format {tensor.Format}, which this engine does not compute with.");
        if (tensor.Dimensions.Count > 4 || tensor.Dimensions.Any(d => d > int.MaxValue))
            throw new InvalidInputException(
                $"{Path} has tensor \"{tensor.Name}\" of shape {tensor.ShapeText}, but at most four lengths below 2^31 are expected.");
        Span<int> dimensions = stackalloc int[tensor.Dimensions.Count];
        for (int i = 0; i < dimensions.Length; i++)
            dimensions[i] = (int)tensor.Dimensions[i];
        return Tensor.OverView(type, Shape.Of(dimensions), View(tensor));
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
