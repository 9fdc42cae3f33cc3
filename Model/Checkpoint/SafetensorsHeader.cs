using System.Buffers.Binary;
using System.Text.Json;
using System.Text.Unicode;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// The header of a safetensors file: eight bytes with its length, then JSON that gives each tensor's format, shape
/// and range. The tensors must fill the rest of the file without a gap and without an overlap.
/// </summary>
public sealed class SafetensorsHeader
{
    /// <summary>The longest header that the format allows, in bytes.</summary>
    public const int MaximumLength = 100_000_000;

    private const int MaximumDimensions = 8;
    private const int MaximumNameLength = 1024;
    private const string MetadataKey = "__metadata__";

    private SafetensorsHeader(IReadOnlyList<SafetensorsTensor> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        Tensors = tensors;
        Metadata = metadata;
    }

    /// <summary>The tensors in the order of their bytes.</summary>
    public IReadOnlyList<SafetensorsTensor> Tensors { get; }

    /// <summary>The strings under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Reads the length in the first eight bytes of a file and checks that the file can hold such a header.</summary>
    /// <param name="start">The first eight bytes of the file, fewer if it is shorter.</param>
    /// <param name="fileLength">The bytes of the file.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <returns>The bytes of JSON after the first eight.</returns>
    public static int ReadLength(ReadOnlySpan<byte> start, long fileLength, string name)
    {
        if (fileLength < sizeof(ulong) || start.Length < sizeof(ulong))
            throw new InvalidInputException($"{name} has {fileLength:N0} bytes, but a safetensors file begins with 8 bytes for the length of its header.");
        ulong length = BinaryPrimitives.ReadUInt64LittleEndian(start);
        if (length > MaximumLength)
            throw new InvalidInputException($"{name} states a header of {length:N0} bytes, but at most {MaximumLength:N0} are allowed in a safetensors file.");
        if ((long)length > fileLength - sizeof(ulong))
            throw new InvalidInputException($"{name} states a header of {length:N0} bytes, but only {fileLength - sizeof(ulong):N0} follow.");
        return (int)length;
    }

    /// <summary>Parses the JSON of a header.</summary>
    /// <param name="json">The bytes after the first eight, as many as <see cref="ReadLength"/> gave.</param>
    /// <param name="fileLength">The bytes of the file.</param>
    /// <param name="name">The file's name, for messages.</param>
    /// <exception cref="InvalidInputException">The header breaks a rule of the format.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long fileLength, string name)
    {
        if (json.IsEmpty || json[0] != (byte)'{')
            throw new InvalidInputException($"{name} is no safetensors file: its header does not begin with a brace.");
        if (!Utf8.IsValid(json))
            throw new InvalidInputException($"{name} has a header that is not valid UTF-8.");
        long dataStart = sizeof(ulong) + json.Length;
        try
        {
            Utf8JsonReader reader = new(json, new JsonReaderOptions { MaxDepth = 4 });
            (List<SafetensorsTensor> tensors, Dictionary<string, string> metadata) = ReadEntries(ref reader, dataStart, fileLength - dataStart, name);
            CheckLayout(tensors, dataStart, fileLength, name);
            return new SafetensorsHeader(tensors, metadata);
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{name} has a header that is not valid JSON at byte {sizeof(ulong) + (e.BytePositionInLine ?? 0)}.", e);
        }
    }

    private static (List<SafetensorsTensor> Tensors, Dictionary<string, string> Metadata) ReadEntries(
        ref Utf8JsonReader reader, long dataStart, long dataLength, string name)
    {
        List<SafetensorsTensor> tensors = [];
        HashSet<string> names = new(StringComparer.Ordinal);
        Dictionary<string, string> metadata = new(StringComparer.Ordinal);
        reader.Read();
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = Text(ref reader, name);
            if (!names.Add(key))
                throw new InvalidInputException($"{name} has the tensor \"{key}\" twice in its header.");
            reader.Read();
            if (reader.TokenType != JsonTokenType.StartObject)
                throw new InvalidInputException($"{name} has no object for \"{key}\" in its header.");
            if (key == MetadataKey)
                ReadMetadata(ref reader, metadata, name);
            else
                tensors.Add(ReadTensor(ref reader, key, dataStart, dataLength, name));
        }
        // Reads to the end, so that anything but white space after the object is refused.
        while (reader.Read()) { }
        return (tensors, metadata);
    }

    private static void ReadMetadata(ref Utf8JsonReader reader, Dictionary<string, string> metadata, string name)
    {
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = Text(ref reader, name);
            reader.Read();
            if (reader.TokenType != JsonTokenType.String)
                throw new InvalidInputException($"{name} has a value in {MetadataKey} that is not a string, under \"{key}\".");
            if (!metadata.TryAdd(key, Text(ref reader, name, MaximumLength)))
                throw new InvalidInputException($"{name} has the key \"{key}\" twice in {MetadataKey}.");
        }
    }

    private static SafetensorsTensor ReadTensor(ref Utf8JsonReader reader, string tensor, long dataStart, long dataLength, string name)
    {
        string? format = null;
        long[]? dimensions = null;
        long[]? offsets = null;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndObject)
        {
            string key = Text(ref reader, name);
            bool isRepeated = key switch { "dtype" => format is not null, "shape" => dimensions is not null, "data_offsets" => offsets is not null, _ => false };
            if (isRepeated)
                throw new InvalidInputException($"{name} has {key} twice for tensor \"{tensor}\".");
            reader.Read();
            switch (key)
            {
                case "dtype":
                    if (reader.TokenType != JsonTokenType.String)
                        throw new InvalidInputException($"{name} has a dtype that is not a string for tensor \"{tensor}\".");
                    format = Text(ref reader, name);
                    break;
                case "shape":
                    dimensions = ReadNumbers(ref reader, key, tensor, name);
                    break;
                case "data_offsets":
                    offsets = ReadNumbers(ref reader, key, tensor, name);
                    break;
                default:
                    throw new InvalidInputException($"{name} has the unknown field \"{key}\" for tensor \"{tensor}\".");
            }
        }
        if (format is null || dimensions is null || offsets is null)
            throw new InvalidInputException($"{name} lacks {(format is null ? "dtype" : dimensions is null ? "shape" : "data_offsets")} for tensor \"{tensor}\".");
        if (offsets.Length != 2 || offsets[0] > offsets[1] || offsets[1] > dataLength)
            throw new InvalidInputException(
                $"{name} has data_offsets [{string.Join(", ", offsets)}] for tensor \"{tensor}\", but a start and an end within {dataLength:N0} bytes are expected.");
        long length = offsets[1] - offsets[0];
        if (length != ByteLength(format, dimensions, tensor, name))
            throw new InvalidInputException(
                $"{name} has {length:N0} bytes for tensor \"{tensor}\", but {format} of shape [{string.Join(", ", dimensions)}] does not have that size.");
        return new SafetensorsTensor(tensor, format, dimensions, dataStart + offsets[0], length);
    }

    private static long ByteLength(string format, long[] dimensions, string tensor, string name)
    {
        int bits = SafetensorsFormats.Bits(format);
        if (bits == 0)
            throw new InvalidInputException($"{name} has the unknown number format \"{format}\" for tensor \"{tensor}\".");
        UInt128 count = 1;
        foreach (long dimension in dimensions)
        {
            // A product of non-zero lengths beyond 2^63 can be no file's; lengths after a zero do not matter.
            count *= (ulong)dimension;
            if (count > long.MaxValue / 8)
                throw new InvalidInputException($"{name} has the shape [{string.Join(", ", dimensions)}] for tensor \"{tensor}\", which is too large.");
        }
        ulong totalBits = (ulong)count * (ulong)bits;
        if (totalBits % 8 != 0)
            throw new InvalidInputException($"{name} has tensor \"{tensor}\" of {format}, whose last byte is not full.");
        return (long)(totalBits / 8);
    }

    private static long[] ReadNumbers(ref Utf8JsonReader reader, string key, string tensor, string name)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
            throw new InvalidInputException($"{name} has no list as {key} of tensor \"{tensor}\".");
        Span<long> numbers = stackalloc long[MaximumDimensions];
        int count = 0;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long number) || number < 0)
                throw new InvalidInputException($"{name} has something else than a whole number from 0 on in {key} of tensor \"{tensor}\".");
            if (count == MaximumDimensions)
                throw new InvalidInputException($"{name} has more than {MaximumDimensions} numbers in {key} of tensor \"{tensor}\".");
            numbers[count++] = number;
        }
        return numbers[..count].ToArray();
    }

    private static void CheckLayout(List<SafetensorsTensor> tensors, long dataStart, long fileLength, string name)
    {
        tensors.Sort((a, b) => a.Offset != b.Offset ? a.Offset.CompareTo(b.Offset)
            : a.ByteLength != b.ByteLength ? a.ByteLength.CompareTo(b.ByteLength) : string.CompareOrdinal(a.Name, b.Name));
        long end = dataStart;
        foreach (SafetensorsTensor tensor in tensors)
        {
            if (tensor.Offset < end)
                throw new InvalidInputException($"{name} has tensor \"{tensor.Name}\" overlapping another one at byte {tensor.Offset:N0}.");
            if (tensor.Offset > end)
                throw new InvalidInputException($"{name} has a gap of {tensor.Offset - end:N0} bytes before tensor \"{tensor.Name}\".");
            end += tensor.ByteLength;
        }
        if (end != fileLength)
            throw new InvalidInputException($"{name} has {fileLength - end:N0} bytes behind its last tensor.");
    }

    /// <summary>A name or a metadata value; names are short, so that messages that quote them are.</summary>
    private static string Text(ref Utf8JsonReader reader, string name, int maximumLength = MaximumNameLength)
    {
        if (reader.ValueSpan.Length > maximumLength)
            throw new InvalidInputException($"{name} has a name of {reader.ValueSpan.Length:N0} bytes in its header, but at most {maximumLength:N0} are expected.");
        try
        {
            return reader.GetString()!;
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidInputException($"{name} has a string in its header that is not valid Unicode.", e);
        }
    }
}
