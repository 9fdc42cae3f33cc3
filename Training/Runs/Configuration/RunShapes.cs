using System.Text.Json;
using System.Text.Json.Nodes;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>Shapes of new models: a named one with the fields that a run changes.</summary>
internal static class RunShapes
{
    /// <summary>The shape of a run that names none.</summary>
    public const string Mini = "mini";

    private static readonly string[] s_fixed = ["architectures", "model_type", "dtype", "quantization_config"];

    /// <summary>The fields of config.json that a run may change.</summary>
    public static IReadOnlyList<string> Fields { get; } = [.. AsJson(ModelConfiguration.Named(Mini)).Select(pair => pair.Key).Except(s_fixed)];

    /// <summary>The shape of a new model.</summary>
    /// <param name="model">The name and the changes.</param>
    /// <param name="vocabulary">The tokens of the tokenizer.</param>
    /// <param name="endId">The token that ends a document, and text.</param>
    /// <param name="file">What messages call the run file.</param>
    /// <exception cref="InvalidInputException">There is no such name, or a value cannot be.</exception>
    public static ModelConfiguration Create(ModelSettings model, int vocabulary, int endId, string file)
    {
        if (!ModelConfiguration.Names.Contains(model.Name))
        {
            string names = $"{string.Join(", ", ModelConfiguration.Names.SkipLast(1))} or {ModelConfiguration.Names[^1]}";
            throw new InvalidInputException($"{file}: model.name is \"{model.Name}\", but {names} is expected.");
        }
        ModelConfiguration named = ModelConfiguration.Named(model.Name);
        if (model.Shape.TryGetValue("num_hidden_layers", out JsonElement layers) && layers.TryGetInt32(out int count) && count is > 0 and <= 1024)
            named = named.WithLayers(count);
        JsonObject json = AsJson(named with { VocabularySize = vocabulary, BosTokenId = endId, EosTokenIds = [endId], StoredType = DType.F32 });
        foreach ((string name, JsonElement value) in model.Shape)
            json[name] = JsonNode.Parse(value.GetRawText());
        if (model.Mtp == false)
            json["num_nextn_predict_layers"] = 0;
        return ModelConfiguration.Parse(json.ToJsonString(), $"{file}: model.shape");
    }

    /// <summary>A shape whose layers of full attention are extended by YaRN; those with a window stay as they are.</summary>
    /// <exception cref="InvalidInputException">It is extended already, or has no layer of full attention.</exception>
    public static ModelConfiguration Extend(ModelConfiguration configuration, YarnSettings yarn)
    {
        if (configuration.FullRope is not { } rope)
            throw new InvalidInputException("model.yarn extends layers of full attention, but the model has none.");
        if (rope.Yarn is { } old)
            throw new InvalidInputException(
                $"model.yarn extends a base model, but this one is extended already (factor {old.Factor}, from {old.OriginalLength:N0} positions).");
        int original = yarn.OriginalContext ?? configuration.MaximumPositions;
        return configuration with
        {
            FullRope = rope with { Yarn = new YarnConfiguration(yarn.Factor, original, yarn.BetaFast, yarn.BetaSlow, yarn.AttentionFactor) },
            MaximumPositions = (int)Math.Min(int.MaxValue, Math.Max(configuration.MaximumPositions, yarn.Factor * original)),
        };
    }

    private static JsonObject AsJson(ModelConfiguration configuration) => JsonNode.Parse(configuration.ToJson())!.AsObject();
}
