using System.Collections.Concurrent;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Mellum2.Managed.Tests;

/// <summary>
/// A topic of the numeric goldens: a JSON manifest and the safetensors file beside it. Both are read by code
/// that the product does not share.
/// </summary>
public sealed class GoldenManifest
{
    private static readonly ConcurrentDictionary<string, GoldenManifest> s_loaded = new();
    private readonly Dictionary<string, GoldenCase> _cases = [];

    private GoldenManifest(string path)
    {
        JsonElement root = JsonDocument.Parse(File.ReadAllBytes(path)).RootElement;
        GoldenTensors file = GoldenTensors.Load(Path.GetDirectoryName(path)!, root.GetProperty("file").GetString()!);
        foreach (JsonElement item in root.GetProperty("cases").EnumerateArray())
        {
            GoldenCase golden = new(item, file);
            _cases.Add(golden.Name, golden);
        }
    }

    /// <summary>The cases in the order of the manifest.</summary>
    public IEnumerable<GoldenCase> Cases => _cases.Values;

    /// <summary>The case of this name.</summary>
    public GoldenCase this[string name] => _cases[name];

    /// <summary>Reads the manifest at <paramref name="parts"/> below <c>tests/golden</c>, once.</summary>
    public static GoldenManifest Load(params string[] parts) => s_loaded.GetOrAdd(GoldenFolder.Find(parts), path => new(path));

    /// <summary>The manifest of a topic in <c>numerics</c>, <c>moe</c> for example.</summary>
    public static GoldenManifest Numerics(string topic) => Load("numerics", topic + ".json");

    /// <summary>The names of a numeric topic's cases, as the data of a theory.</summary>
    public static IEnumerable<object[]> NumericCases(string topic) => Numerics(topic).Cases.Select(golden => new object[] { golden.Name });
}

/// <summary>One case of a <see cref="GoldenManifest"/>.</summary>
public sealed class GoldenCase
{
    private readonly Dictionary<string, GoldenTensor> _tensors = [];

    internal GoldenCase(JsonElement item, GoldenTensors file)
    {
        Name = item.GetProperty("name").GetString()!;
        Parameters = item.TryGetProperty("params", out JsonElement parameters) ? parameters : default;
        if (!item.TryGetProperty("tensors", out JsonElement tensors))
            return;
        foreach (JsonProperty entry in tensors.EnumerateObject())
            _tensors.Add(entry.Name, new GoldenTensor($"{Name}.{entry.Name}", entry.Value, file.Raw(entry.Value.GetProperty("key").GetString()!)));
    }

    /// <summary>The case's name, unique in its manifest.</summary>
    public string Name { get; }

    /// <summary>The settings, a JSON object.</summary>
    public JsonElement Parameters { get; }

    /// <summary>The tensors by their names within the case.</summary>
    public IReadOnlyDictionary<string, GoldenTensor> Tensors => _tensors;

    /// <summary>The tensor of this name.</summary>
    public GoldenTensor this[string name] => _tensors[name];

    /// <summary>Whether the case has such a tensor.</summary>
    public bool Has(string name) => _tensors.ContainsKey(name);

    /// <summary>An integer setting.</summary>
    public int Integer(string parameter) => Parameters.GetProperty(parameter).GetInt32();

    /// <summary>A setting that is a number.</summary>
    public double Number(string parameter) => Parameters.GetProperty(parameter).GetDouble();

    /// <summary>A setting that is a word; null where the case does not have it.</summary>
    public string? Word(string parameter) => Parameters.TryGetProperty(parameter, out JsonElement value) ? value.GetString() : null;
}

/// <summary>A tensor of a <see cref="GoldenCase"/> and, where it is an expected one, the rule to compare with.</summary>
public sealed class GoldenTensor
{
    private readonly ReadOnlyMemory<byte> _data;

    internal GoldenTensor(string name, JsonElement entry, (string Type, int[] Shape, ReadOnlyMemory<byte> Data) stored)
    {
        Name = name;
        (Type, Shape, _data) = stored;
        if (entry.GetProperty("dtype").GetString() != Type || !entry.GetProperty("shape").EnumerateArray().Select(d => d.GetInt32()).SequenceEqual(Shape))
            throw new InvalidDataException($"{name}: the manifest and the safetensors file disagree about type or shape.");
        IsInput = entry.GetProperty("role").GetString() == "input";
        Exact = entry.TryGetProperty("exact", out JsonElement exact) && exact.GetBoolean();
        Tolerance = entry.TryGetProperty("tol", out JsonElement tolerance) ? tolerance.GetDouble() : null;
        AbsoluteTolerance = entry.TryGetProperty("abs_tol", out JsonElement absolute) ? absolute.GetDouble() : null;
    }

    /// <summary>Case and tensor, for messages.</summary>
    public string Name { get; }

    /// <summary>The format's name in safetensors.</summary>
    public string Type { get; }

    /// <summary>The lengths of the dimensions.</summary>
    public int[] Shape { get; }

    /// <summary>Whether it is an input, not something to compare with.</summary>
    public bool IsInput { get; }

    /// <summary>Whether it is compared bit for bit.</summary>
    public bool Exact { get; }

    /// <summary>The part of max|want| that an entry may be off; null where the manifest gives none.</summary>
    public double? Tolerance { get; }

    /// <summary>What an entry may be off besides; null where the manifest gives none.</summary>
    public double? AbsoluteTolerance { get; }

    /// <summary>The elements, which <typeparamref name="T"/> must have the size of.</summary>
    public ReadOnlySpan<T> Span<T>() where T : unmanaged
    {
        ReadOnlySpan<T> span = MemoryMarshal.Cast<byte, T>(_data.Span);
        if (span.Length != Shape.Aggregate(1, (count, d) => count * d))
            throw new InvalidOperationException($"{Name} is {Type} and cannot be read as {typeof(T).Name}.");
        return span;
    }

    /// <summary>The elements as float32.</summary>
    public float[] Singles() => Type == "F32" ? Span<float>().ToArray() : throw new InvalidOperationException($"{Name} is {Type}.");

    /// <summary>The float32 elements, widened.</summary>
    public double[] Doubles() => [.. Singles().Select(x => (double)x)];

    /// <summary>The elements as 32-bit integers.</summary>
    public int[] Integers() => Type == "I32" ? Span<int>().ToArray() : throw new InvalidOperationException($"{Name} is {Type}.");

    /// <summary>
    /// Compares by the rule of the goldens: bit for bit where <see cref="Exact"/>, else |got − want| ≤ tol·max|want| +
    /// abs_tol for every entry, the maximum over the finite entries; NaN and infinities stand in the same places.
    /// </summary>
    /// <exception cref="GoldenMismatchException">An entry breaks the rule.</exception>
    public void Check(ReadOnlySpan<double> got)
    {
        float[] want = Singles();
        CheckCount(got.Length, want.Length);
        double largest = 0;
        foreach (float w in want)
            if (float.IsFinite(w))
                largest = Math.Max(largest, Math.Abs((double)w));
        double allowed = Exact ? 0 : (Tolerance ?? 0) * largest + (AbsoluteTolerance ?? 0);
        for (int i = 0; i < want.Length; i++)
        {
            double w = want[i];
            bool right = double.IsNaN(w) ? double.IsNaN(got[i])
                : Exact || double.IsInfinity(w) ? BitConverter.DoubleToInt64Bits(got[i]) == BitConverter.DoubleToInt64Bits(w)
                : Math.Abs(got[i] - w) <= allowed;
            if (!right)
                throw new GoldenMismatchException($"{Name}[{i}]: got {got[i]:R}, want {w:R}, allowed difference {allowed:G4}.");
        }
    }

    /// <summary><inheritdoc cref="Check(ReadOnlySpan{double})"/></summary>
    public void Check(ReadOnlySpan<float> got)
    {
        double[] wide = new double[got.Length];
        for (int i = 0; i < wide.Length; i++)
            wide[i] = got[i];
        Check(wide);
    }

    /// <summary>Compares integers or codes bit for bit; any two codes that <paramref name="isNaN"/> accepts are equal.</summary>
    /// <exception cref="GoldenMismatchException">An entry differs.</exception>
    public void CheckCodes<T>(ReadOnlySpan<T> got, Predicate<T>? isNaN = null) where T : unmanaged, IEquatable<T>
    {
        ReadOnlySpan<T> want = Span<T>();
        CheckCount(got.Length, want.Length);
        for (int i = 0; i < want.Length; i++)
            if (!got[i].Equals(want[i]) && !(isNaN is not null && isNaN(got[i]) && isNaN(want[i])))
                throw new GoldenMismatchException($"{Name}[{i}]: got {got[i]}, want {want[i]}.");
    }

    private void CheckCount(int got, int want)
    {
        if (got != want)
            throw new GoldenMismatchException($"{Name}: got {got} entries, want {want}.");
    }
}

/// <summary>A result differs from a golden by more than the golden's rule allows.</summary>
public sealed class GoldenMismatchException(string message) : Exception(message);
