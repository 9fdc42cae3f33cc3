using System.CommandLine;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 inspect</c>: what a checkpoint or a shape is and needs; no weight is read.</summary>
internal static class InspectVerb
{
    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        ShapeOptions shape = new();
        Command command = new("inspect", "Tells what a checkpoint or a named shape consists of and how much memory it needs. No weights are read.");
        shape.AddTo(command);
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            ModelSettings settings = model.Read(parsed);
            NamedShape? named = shape.Read(parsed, model.NamesModel(parsed));
            Facts facts = named is null ? FromFolder(settings.Folder) : FromShape(named);
            int context = settings.Context ?? facts.Configuration.MaximumPositions;
            if (context > facts.Configuration.MaximumPositions)
                throw new InvalidInputException(
                    $"--context {context} is more than the {facts.Configuration.MaximumPositions} positions that the model has.");
            if (settings.Json)
                terminal.WriteJson(json => Write(json, facts, context));
            else
                terminal.WriteTable(["", ""], Rows(facts, context));
            return ExitCode.Success;
        });
        return command;
    }

    private static Facts FromFolder(string folder)
    {
        ModelLoading.RequireFolder(folder);
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        bool hasMtp = checkpoint.Validate(configuration);
        SortedDictionary<string, long> formats = new(StringComparer.Ordinal);
        foreach (CheckpointTensor tensor in checkpoint.Tensors)
            formats[tensor.Stored.Format] = formats.GetValueOrDefault(tensor.Stored.Format) + tensor.Stored.ByteLength;
        return new Facts(folder, configuration, hasMtp, formats);
    }

    private static Facts FromShape(NamedShape shape)
    {
        SortedDictionary<string, long> formats = new(StringComparer.Ordinal);
        foreach (ExpectedTensor tensor in shape.Configuration.ExpectedTensors(shape.WithMtp))
            foreach ((DType type, long bytes) in ShapeBytes.Of(tensor, shape.Format))
                formats[type.Name()] = formats.GetValueOrDefault(type.Name()) + bytes;
        return new Facts(shape.Name, shape.Configuration, shape.WithMtp, formats);
    }

    private static CachePlan Plan(Facts facts, DType format, int context, int chunk) =>
        new(facts.Configuration, format, context, chunk, facts.HasMtp);

    private static IEnumerable<IReadOnlyList<string>> Rows(Facts facts, int context)
    {
        ModelConfiguration c = facts.Configuration;
        int chunk = new GenerationOptions().Chunk;
        yield return ["model", facts.Name];
        yield return ["parameters", Quantity.Count(c.ParameterCount)];
        yield return ["active parameters per token", Quantity.Count(c.ActiveParameterCount)];
        yield return ["MTP head", facts.HasMtp ? $"yes, {Quantity.Count(c.MtpParameterCount)} parameters" : "none"];
        yield return ["layers", $"{c.LayerCount} ({Full(c)} with full attention, {c.LayerCount - Full(c)} with a window of {c.SlidingWindow})"];
        yield return ["experts", c.ExpertCount == 0 ? "none" : $"{c.ExpertCount}, {c.ExpertsPerToken} per token, width {c.ExpertSize}"];
        yield return ["hidden size", Quantity.Text($"{c.HiddenSize}")];
        yield return ["heads", $"{c.HeadCount} query, {c.KeyValueHeadCount} key and value, width {c.HeadSize}"];
        yield return ["vocabulary", Quantity.Count(c.VocabularySize)];
        yield return ["positions", Quantity.Count(c.MaximumPositions)];
        foreach ((string format, long bytes) in facts.Formats)
            yield return [$"weights in {format}", Quantity.Bytes(bytes)];
        yield return ["weights", Quantity.Bytes(facts.WeightBytes)];
        foreach (DType format in (DType[])[DType.F32, DType.BF16])
        {
            CachePlan plan = Plan(facts, format, context, chunk);
            yield return [
                $"cache of {Quantity.Count(context)} tokens in {format.Name()}",
                $"{Quantity.Bytes(plan.Bytes)} ({Quantity.Bytes(Plan(facts, format, context, 1).Bytes)} with one token a pass)"];
            yield return [$"weights and cache in {format.Name()}", Quantity.Bytes(facts.WeightBytes + plan.Bytes)];
        }
    }

    private static void Write(Utf8JsonWriter json, Facts facts, int context)
    {
        ModelConfiguration c = facts.Configuration;
        json.WriteString("model", facts.Name);
        json.WriteNumber("parameters", c.ParameterCount);
        json.WriteNumber("active_parameters", c.ActiveParameterCount);
        json.WriteBoolean("has_mtp", facts.HasMtp);
        json.WriteNumber("mtp_parameters", facts.HasMtp ? c.MtpParameterCount : 0);
        json.WriteNumber("layers", c.LayerCount);
        json.WriteNumber("full_attention_layers", Full(c));
        json.WriteNumber("sliding_window", c.SlidingWindow);
        json.WriteNumber("experts", c.ExpertCount);
        json.WriteNumber("experts_per_token", c.ExpertsPerToken);
        json.WriteNumber("hidden_size", c.HiddenSize);
        json.WriteNumber("vocabulary", c.VocabularySize);
        json.WriteNumber("positions", c.MaximumPositions);
        json.WriteNumber("weight_bytes", facts.WeightBytes);
        json.WriteStartObject("weight_bytes_by_format");
        foreach ((string format, long bytes) in facts.Formats)
            json.WriteNumber(format, bytes);
        json.WriteEndObject();
        json.WriteNumber("context", context);
        WriteCache(json, "cache_bytes", facts, context, new GenerationOptions().Chunk);
        WriteCache(json, "cache_bytes_one_token_a_pass", facts, context, 1);
    }

    private static void WriteCache(Utf8JsonWriter json, string name, Facts facts, int context, int chunk)
    {
        json.WriteStartObject(name);
        foreach (DType format in (DType[])[DType.F32, DType.BF16])
            json.WriteNumber(format.Name(), Plan(facts, format, context, chunk).Bytes);
        json.WriteEndObject();
    }

    private static int Full(ModelConfiguration configuration) => configuration.LayerTypes.Count(kind => kind == AttentionKind.Full);

    private sealed record Facts(string Name, ModelConfiguration Configuration, bool HasMtp, SortedDictionary<string, long> Formats)
    {
        public long WeightBytes => Formats.Values.Sum();
    }
}
