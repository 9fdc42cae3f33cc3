using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Mellum2.Managed.Tests;

/// <summary>A safetensors file of the goldens, read by code of its own: what checks the product does not depend on it.</summary>
public sealed class GoldenTensors
{
    private readonly Dictionary<string, (string Type, int[] Shape, ReadOnlyMemory<byte> Data)> _tensors = [];

    private GoldenTensors(string path)
    {
        // 8 bytes: the header's length; the header, a JSON object; then the data, which the header's offsets count from.
        byte[] bytes = File.ReadAllBytes(path);
        int start = checked(8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes));
        using JsonDocument header = JsonDocument.Parse(bytes.AsMemory(8, start - 8));
        foreach (JsonProperty entry in header.RootElement.EnumerateObject())
        {
            if (entry.Name == "__metadata__")
                continue;
            int[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(d => d.GetInt32())];
            JsonElement offsets = entry.Value.GetProperty("data_offsets");
            int begin = offsets[0].GetInt32(), end = offsets[1].GetInt32();
            _tensors.Add(entry.Name, (entry.Value.GetProperty("dtype").GetString()!, shape, bytes.AsMemory(start + begin, end - begin)));
        }
    }

    /// <summary>The names.</summary>
    public IEnumerable<string> Names => _tensors.Keys;

    /// <summary>Reads the file at <paramref name="parts"/> below <c>tests/golden</c>.</summary>
    public static GoldenTensors Load(params string[] parts) => new(GoldenFolder.Find(parts));

    /// <summary>Reads a file.</summary>
    public static GoldenTensors Read(string path) => new(path);

    /// <summary>Whether there is a tensor of this name.</summary>
    public bool Has(string name) => _tensors.ContainsKey(name);

    /// <summary>Format, shape and bytes.</summary>
    public (string Type, int[] Shape, ReadOnlyMemory<byte> Data) Raw(string name) => _tensors[name];

    /// <summary>The lengths of the dimensions.</summary>
    public int[] Shape(string name) => _tensors[name].Shape;

    /// <summary>The elements of an F32 tensor.</summary>
    public float[] Singles(string name) => Read<float>(name, "F32");

    /// <summary>The elements of an I32 tensor.</summary>
    public int[] Integers(string name) => Read<int>(name, "I32");

    /// <summary>‖got − want‖ / ‖want‖.</summary>
    public static double RelativeError(ReadOnlySpan<float> got, ReadOnlySpan<float> want)
    {
        if (got.Length != want.Length)
            throw new ArgumentException($"{got.Length} and {want.Length} elements cannot be compared.");
        double difference = 0, norm = 0;
        for (int i = 0; i < want.Length; i++)
        {
            difference += Math.Pow((double)got[i] - want[i], 2);
            norm += Math.Pow(want[i], 2);
        }
        return norm == 0 ? Math.Sqrt(difference) : Math.Sqrt(difference / norm);
    }

    private T[] Read<T>(string name, string type) where T : unmanaged
    {
        var tensor = _tensors[name];
        if (tensor.Type != type)
            throw new InvalidDataException($"{name} is {tensor.Type}, not {type}.");
        return MemoryMarshal.Cast<byte, T>(tensor.Data.Span).ToArray();
    }
}
