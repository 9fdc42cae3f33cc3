using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Mellum2.Managed.Training;

public sealed partial record RunConfiguration
{
    private JsonObject ToNode() => new()
    {
        ["model"] = ToNode(Model),
        ["tokenizer"] = Tokenizer,
        ["data"] = new JsonObject
        {
            ["sources"] = new JsonArray([.. Data.Sources.Select(ToNode)]),
            ["length"] = Data.Length,
            ["positions"] = WordOf(s_positions, Data.Positions),
            ["least_unique"] = Data.LeastUnique,
            ["end_token"] = Data.EndToken,
            ["validation"] = Data.Validation is { } validation ? ToNode(validation) : null,
            ["held_out"] = Data.HeldOut,
        },
        ["phases"] = Phases.Count == 0 ? null : new JsonArray([.. Phases.Select(ToNode)]),
        ["batch"] = new JsonObject { ["rows"] = Batch.Rows, ["accumulation"] = Batch.Accumulation },
        ["steps"] = Steps,
        ["optimizer"] = new JsonObject
        {
            ["kind"] = WordOf(s_optimizers, Optimizer.Kind),
            ["learning_rate"] = Optimizer.LearningRate,
            ["momentum"] = Optimizer.Momentum,
            ["weight_decay"] = Optimizer.WeightDecay,
            ["coefficients"] = WordOf(s_coefficients, Optimizer.Coefficients),
            ["split_gate_up"] = Optimizer.SplitGateUp,
            ["scale"] = Optimizer.Scale,
            ["beta1"] = Optimizer.Beta1,
            ["beta2"] = Optimizer.Beta2,
            ["epsilon"] = Optimizer.Epsilon,
            ["clip"] = Optimizer.Clip,
        },
        ["precision"] = WordOf(s_precisions, Precision),
        ["recompute"] = Recompute,
        ["schedule"] = new JsonObject
        {
            ["kind"] = WordOf(s_schedules, Schedule.Kind),
            ["warm_up"] = Schedule.WarmUp,
            ["decay"] = Schedule.Decay,
            ["minimum"] = Schedule.Minimum,
        },
        ["losses"] = new JsonObject { ["mtp"] = Losses.Mtp, ["balance"] = Losses.Balance, ["z"] = Losses.Z },
        ["evaluation"] = new JsonObject { ["every"] = Evaluation.Every, ["batches"] = Evaluation.Batches, ["at_start"] = Evaluation.AtStart },
        ["checkpoints"] = new JsonObject { ["every"] = Checkpoints.Every, ["keep"] = Checkpoints.Keep, ["best"] = Checkpoints.Best },
        ["seed"] = Seed,
        ["threads"] = Threads,
        ["prefetch"] = Prefetch,
    };

    private static JsonObject ToNode(ModelSettings model)
    {
        JsonObject shape = [];
        foreach ((string name, JsonElement value) in model.Shape)
            shape[name] = JsonNode.Parse(value.GetRawText());
        JsonObject json = new()
        {
            ["from"] = model.From,
            ["name"] = model.From is null ? model.Name : null,
            ["shape"] = shape.Count == 0 ? null : shape,
            ["mtp"] = model.Mtp,
            ["trained"] = WordOf(s_parts, model.Trained),
        };
        if (model.Yarn is { } yarn)
        {
            json["yarn"] = new JsonObject
            {
                ["factor"] = yarn.Factor,
                ["original_context"] = yarn.OriginalContext,
                ["beta_fast"] = yarn.BetaFast,
                ["beta_slow"] = yarn.BetaSlow,
                ["attention_factor"] = yarn.AttentionFactor,
            };
        }
        return json;
    }

    private static JsonObject ToNode(SourceSettings source) => new()
    {
        ["name"] = source.Name.Length == 0 ? null : source.Name,
        ["path"] = new JsonArray([.. source.Paths.Select(path => JsonValue.Create(path))]),
        ["extensions"] = new JsonArray([.. source.Extensions.Select(extension => JsonValue.Create(extension))]),
        ["text_field"] = source.TextField,
        ["strict"] = source.Strict,
        ["fim"] = source.FillInTheMiddle,
        ["spm"] = source.SuffixFirst,
        ["weight"] = source.Weight,
    };

    private static JsonObject ToNode(PhaseSettings phase)
    {
        JsonObject json = new() { ["steps"] = phase.Steps };
        if (phase.Weights is { } weights)
        {
            JsonObject named = [];
            foreach ((string name, double weight) in weights)
                named[name] = weight;
            json["weights"] = named;
        }
        return json;
    }

    private static string WordOf<T>(IEnumerable<(string Word, T Value)> words, T value) => words.First(pair => Equals(pair.Value, value)).Word;

    /// <summary>The values that differ from the defaults, so that one that is put in does not contradict one that nobody wrote.</summary>
    private JsonObject WithoutDefaults()
    {
        JsonObject json = ToNode();
        if (Phases.Count > 0)
            json.Remove("steps");
        if (Data.Validation is not null && Data.HeldOut == 0)
            json["data"]!.AsObject().Remove("held_out");
        Prune(json, new RunConfiguration().ToNode());
        return json;
    }

    private static void Prune(JsonObject json, JsonObject defaults)
    {
        foreach (string name in json.Select(pair => pair.Key).ToArray())
        {
            JsonNode? value = json[name], usual = defaults[name];
            if (value is JsonObject nested && usual is JsonObject usualNested)
            {
                Prune(nested, usualNested);
                if (nested.Count == 0)
                    json.Remove(name);
            }
            else if (JsonNode.DeepEquals(value, usual))
                json.Remove(name);
        }
    }

    /// <summary>The values by their dotted paths, as JSON; absent ones are left out.</summary>
    internal SortedDictionary<string, string> Flatten()
    {
        SortedDictionary<string, string> values = new(StringComparer.Ordinal);
        void Add(string path, JsonNode? node)
        {
            switch (node)
            {
                case JsonObject nested:
                    foreach ((string name, JsonNode? value) in nested)
                        Add(path.Length == 0 ? name : $"{path}.{name}", value);
                    break;
                case JsonArray list:
                    for (int i = 0; i < list.Count; i++)
                        Add(string.Create(CultureInfo.InvariantCulture, $"{path}.{i}"), list[i]);
                    break;
                case not null:
                    values[path] = node.ToJsonString(s_indented);
                    break;
            }
        }
        Add("", ToNode());
        return values;
    }
}
