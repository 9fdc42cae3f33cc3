using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>What a checkpoint holds beside weights and optimizer: <c>training-state.json</c>. Random numbers depend on seed and place alone, so there is no other state.</summary>
internal sealed record TrainingState
{
    public const string FileName = "training-state.json";
    private const int Version = 1;
    private static readonly JsonSerializerOptions s_options = new()
    {
        WriteIndented = true,
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        RespectNullableAnnotations = true,
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>The version of this form.</summary>
    public int Format { get; init; } = Version;

    /// <summary>The steps that are done, skipped ones among them.</summary>
    public required long Step { get; init; }

    /// <summary>The tokens that were trained on.</summary>
    public required long Tokens { get; init; }

    /// <summary>The steps that were skipped.</summary>
    public required long Skipped { get; init; }

    /// <summary>How many of them were the last ones.</summary>
    public required long SkippedInARow { get; init; }

    /// <summary>The best evaluation.</summary>
    public required BestEvaluation? Best { get; init; }

    /// <summary>The loss of the last evaluation; null if there was none.</summary>
    public required double? LastValidationLoss { get; init; }

    /// <summary>Where the stream of samples is.</summary>
    public required StreamState Stream { get; init; }

    /// <summary>What a run may not change, by dotted paths.</summary>
    public required IReadOnlyDictionary<string, string> Configuration { get; init; }

    public byte[] ToJson() => Encoding.UTF8.GetBytes(JsonSerializer.Serialize(this, s_options) + "\n");

    /// <exception cref="InvalidInputException">The file is missing or damaged.</exception>
    public static TrainingState Load(string folder)
    {
        string path = Path.Combine(folder, FileName);
        try
        {
            if (JsonSerializer.Deserialize<TrainingState>(File.ReadAllBytes(path), s_options) is { Format: Version, Step: >= 0, Tokens: >= 0 } state)
                return state;
            throw new InvalidInputException($"{path} is of another version or damaged; version {Version} is expected.");
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{path} is damaged: {e.Message}", e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The checkpoint's file {path} cannot be read: {e.Message}", e);
        }
    }
}
