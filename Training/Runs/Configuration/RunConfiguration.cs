using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// A training run, as one JSON file describes it. Every value but <c>data.sources</c> has a default; a key that is unknown, a value of the
/// wrong kind or out of range and values that contradict each other are refused in one sentence. Comments and trailing commas are allowed.
/// Paths are relative to the file.
/// </summary>
public sealed partial record RunConfiguration
{
    private const long MaximumBytes = 16 << 20;
    private const int MaximumDepth = 16;
    private static readonly JsonSerializerOptions s_indented = new()
    {
        WriteIndented = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary><c>model</c>: what is trained.</summary>
    public ModelSettings Model { get; init; } = new();

    /// <summary><c>tokenizer</c>: a tokenizer.json or its folder. Null: that of <c>model.from</c>, or the one that comes with the program.</summary>
    public string? Tokenizer { get; init; }

    /// <summary><c>data</c>: what it is trained on.</summary>
    public DataSettings Data { get; init; } = new();

    /// <summary><c>phases</c>: mixtures, one after the other; empty for a single one. Their steps add up to <see cref="Steps"/>.</summary>
    public IReadOnlyList<PhaseSettings> Phases { get; init; } = [];

    /// <summary><c>batch</c>: the size of a step.</summary>
    public BatchSettings Batch { get; init; } = new();

    /// <summary><c>steps</c>: how many steps the run has.</summary>
    public long Steps { get; init; } = 1000;

    /// <summary><c>optimizer</c>.</summary>
    public OptimizerSettings Optimizer { get; init; } = new();

    /// <summary><c>precision</c>: <c>f32</c>, <c>bf16</c> or <c>fp8</c> products; weights, sums and optimizer are float32 in any case.</summary>
    public TrainingPrecision Precision { get; init; }

    /// <summary><c>recompute</c>: whether a layer's activations are computed again in the backward pass instead of kept.</summary>
    public bool Recompute { get; init; }

    /// <summary><c>schedule</c>.</summary>
    public ScheduleSettings Schedule { get; init; } = new();

    /// <summary><c>losses</c>.</summary>
    public LossSettings Losses { get; init; } = new();

    /// <summary><c>evaluation</c>.</summary>
    public EvaluationSettings Evaluation { get; init; } = new();

    /// <summary><c>checkpoints</c>.</summary>
    public CheckpointSettings Checkpoints { get; init; } = new();

    /// <summary><c>seed</c>: of first weights, order of samples and fill in the middle.</summary>
    public ulong Seed { get; init; }

    /// <summary><c>threads</c>: 0 for one for each processor. Results do not depend on it.</summary>
    public int Threads { get; init; }

    /// <summary><c>prefetch</c>: batches that are read ahead. Results do not depend on it.</summary>
    public int Prefetch { get; init; } = 2;

    /// <summary>Reads a run file.</summary>
    /// <exception cref="InvalidInputException">It cannot be read, or says something that cannot be.</exception>
    public static RunConfiguration Load(string path)
    {
        try
        {
            FileInfo file = new(path);
            if (file.Exists && file.Length > MaximumBytes)
                throw new InvalidInputException($"{path} has {file.Length:N0} bytes, but a run file has at most {MaximumBytes:N0}.");
            return Parse(File.ReadAllText(path, new UTF8Encoding(false, throwOnInvalidBytes: true)), path, Path.GetDirectoryName(Path.GetFullPath(path)));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The run file {path} cannot be read: {e.Message}", e);
        }
        catch (DecoderFallbackException e)
        {
            throw new InvalidInputException($"{path} is not valid UTF-8.", e);
        }
    }

    /// <summary>Reads the text of a run file.</summary>
    /// <param name="json">The text.</param>
    /// <param name="name">What messages call it.</param>
    /// <param name="folder">What paths are relative to; null for the current directory.</param>
    /// <exception cref="InvalidInputException">It says something that cannot be.</exception>
    public static RunConfiguration Parse(string json, string name = "the run file", string? folder = null)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions
            {
                CommentHandling = JsonCommentHandling.Skip,
                AllowTrailingCommas = true,
                AllowDuplicateProperties = false,
                MaxDepth = MaximumDepth,
            });
            return Read(document.RootElement.Clone(), name, Path.GetFullPath(folder ?? "."));
        }
        catch (JsonException e)
        {
            string where = e.LineNumber is { } line ? string.Create(CultureInfo.InvariantCulture, $" (line {line + 1}, byte {e.BytePositionInLine + 1})") : "";
            throw new InvalidInputException($"{name} is not valid JSON of at most {MaximumDepth} levels without a key twice in one object{where}.", e);
        }
        catch (InvalidOperationException e)
        {
            // How the JSON reader reports half a surrogate pair.
            throw new InvalidInputException($"{name} has a text that is not valid Unicode.", e);
        }
    }

    /// <summary>The same run with another value at a dotted path, as <c>optimizer.learning_rate</c> or <c>data.sources.0.fim</c>.</summary>
    /// <param name="path">The path of the key; elements of lists are counted from 0.</param>
    /// <param name="value">A JSON value; what is none is taken as a text.</param>
    /// <exception cref="InvalidInputException">The path or the value cannot be.</exception>
    public RunConfiguration Set(string path, string value)
    {
        JsonNode? node;
        try
        {
            node = JsonNode.Parse(value);
        }
        catch (JsonException)
        {
            node = JsonValue.Create(value);
        }
        string assignment = $"--set {path}={value}";
        JsonObject root = WithoutDefaults();
        string[] keys = path.Split('.');
        JsonNode current = root;
        for (int i = 0; i < keys.Length - 1; i++)
        {
            JsonNode? next = Child(current, keys[i], assignment);
            if (next is null && current is JsonObject parent)
                parent[keys[i]] = next = new JsonObject();
            current = next is JsonObject or JsonArray
                ? next
                : throw new InvalidInputException($"{assignment}: {string.Join('.', keys[..(i + 1)])} is a single value and has no key {keys[i + 1]}.");
        }
        if (current is JsonArray list)
            list[IndexIn(list, keys[^1], assignment)] = node;
        else
            ((JsonObject)current)[keys[^1]] = node;
        return Parse(root.ToJsonString(), assignment);
    }

    /// <summary>The run as a run file with every default filled in; paths are absolute.</summary>
    public string ToJson() => ToNode().ToJsonString(s_indented) + "\n";

    /// <summary>Checks a configuration that was made by code, as a file is checked.</summary>
    /// <exception cref="InvalidInputException">It says something that cannot be.</exception>
    public RunConfiguration Checked() => Parse(WithoutDefaults().ToJsonString(), "The run's configuration");

    private static JsonNode? Child(JsonNode parent, string key, string assignment) =>
        parent is JsonArray list ? list[IndexIn(list, key, assignment)] : ((JsonObject)parent)[key];

    private static int IndexIn(JsonArray list, string key, string assignment) =>
        int.TryParse(key, NumberStyles.None, CultureInfo.InvariantCulture, out int index) && index < list.Count
            ? index
            : throw new InvalidInputException($"{assignment}: \"{key}\" is no element of a list of {list.Count}; a number below that is expected.");
}
