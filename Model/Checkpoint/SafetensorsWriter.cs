using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>A tensor that is going to be written.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Its number format.</param>
/// <param name="Shape">Its lengths.</param>
public readonly record struct TensorDeclaration(string Name, DType Type, Shape Shape)
{
    /// <summary>The bytes of its data.</summary>
    public long ByteLength => checked(Shape.Count * Type.Size());
}

/// <summary>
/// Writes a safetensors file as a stream: the tensors are declared first, then their bytes follow in the same order, in
/// pieces of any size. The file appears under its name in <see cref="Complete"/>; disposing of the writer before that
/// removes what was written and leaves an older file as it was.
/// </summary>
public sealed class SafetensorsWriter : IDisposable
{
    private readonly AtomicFile _file;
    private readonly string _path;
    private readonly IReadOnlyList<TensorDeclaration> _tensors;
    private int _current;
    private long _written;

    /// <summary>Creates the file and writes its header.</summary>
    /// <param name="path">The file's name.</param>
    /// <param name="tensors">The tensors in the order in which they will be written.</param>
    /// <param name="metadata">The strings under <c>__metadata__</c>; null for the <c>format: pt</c> that other programs look for.</param>
    /// <exception cref="InvalidInputException">The file cannot be created or the disk has no room for it.</exception>
    public SafetensorsWriter(string path, IReadOnlyList<TensorDeclaration> tensors, IReadOnlyDictionary<string, string>? metadata = null)
        : this(path, tensors, metadata, null) { }

    internal SafetensorsWriter(
        string path, IReadOnlyList<TensorDeclaration> tensors, IReadOnlyDictionary<string, string>? metadata, Func<string, long, Stream>? open)
    {
        _path = path;
        _tensors = tensors;
        byte[] header = Header(tensors, metadata ?? new Dictionary<string, string> { ["format"] = "pt" });
        long length = header.Length;
        foreach (TensorDeclaration tensor in tensors)
            length = checked(length + tensor.ByteLength);
        _file = new AtomicFile(path, length, open);
        try
        {
            _file.Write(header);
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>Appends bytes to a tensor: the one being written or, when that one is whole, the next one.</summary>
    /// <param name="tensor">The tensor's name.</param>
    /// <param name="bytes">Its next bytes, little-endian.</param>
    /// <exception cref="InvalidOperationException">It is not this tensor's turn, or it has fewer bytes.</exception>
    /// <exception cref="InvalidInputException">The disk is full or the file cannot be written.</exception>
    public void Write(string tensor, ReadOnlySpan<byte> bytes)
    {
        SkipWhole(tensor);
        if (_current == _tensors.Count || _tensors[_current].Name != tensor)
            throw new InvalidOperationException(
                $"{_path}: tensor \"{tensor}\" is written where {(_current == _tensors.Count ? "no tensor" : $"\"{_tensors[_current].Name}\"")} is due.");
        if (bytes.Length > _tensors[_current].ByteLength - _written)
            throw new InvalidOperationException($"{_path}: tensor \"{tensor}\" gets more than its {_tensors[_current].ByteLength:N0} bytes.");
        _file.Write(bytes);
        _written += bytes.Length;
    }

    /// <summary>Makes the file durable and gives it its name.</summary>
    /// <exception cref="InvalidOperationException">A tensor is not whole.</exception>
    /// <exception cref="InvalidInputException">The disk is full or the file cannot be written.</exception>
    public void Complete()
    {
        SkipWhole(null);
        if (_current < _tensors.Count)
            throw new InvalidOperationException($"{_path}: tensor \"{_tensors[_current].Name}\" has not got all of its bytes.");
        _file.Commit();
    }

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    private void SkipWhole(string? next)
    {
        while (_current < _tensors.Count && _written == _tensors[_current].ByteLength && _tensors[_current].Name != next)
        {
            _current++;
            _written = 0;
        }
    }

    private static byte[] Header(IReadOnlyList<TensorDeclaration> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        using MemoryStream stream = new();
        stream.Write(stackalloc byte[sizeof(ulong)]);
        HashSet<string> names = new(StringComparer.Ordinal) { "__metadata__" };
        using (Utf8JsonWriter json = new(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (metadata.Count > 0)
            {
                json.WriteStartObject("__metadata__");
                foreach ((string key, string value) in metadata)
                    json.WriteString(key, value);
                json.WriteEndObject();
            }
            long offset = 0;
            foreach (TensorDeclaration tensor in tensors)
            {
                if (!names.Add(tensor.Name))
                    throw new ArgumentException($"The tensor \"{tensor.Name}\" is declared twice, or has a name that the format reserves.", nameof(tensors));
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type.Name());
                json.WriteStartArray("shape");
                for (int i = 0; i < tensor.Shape.Rank; i++)
                    json.WriteNumberValue(tensor.Shape[i]);
                json.WriteEndArray();
                json.WriteStartArray("data_offsets");
                json.WriteNumberValue(offset);
                json.WriteNumberValue(offset += tensor.ByteLength);
                json.WriteEndArray();
                json.WriteEndObject();
            }
            json.WriteEndObject();
        }
        while (stream.Length % 8 != 0)
            stream.WriteByte((byte)' ');
        if (stream.Length - sizeof(ulong) > SafetensorsHeader.MaximumLength)
            throw new ArgumentException($"The header of {tensors.Count:N0} tensors is longer than the format allows.", nameof(tensors));
        byte[] bytes = stream.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, (ulong)(bytes.Length - sizeof(ulong)));
        return bytes;
    }
}
