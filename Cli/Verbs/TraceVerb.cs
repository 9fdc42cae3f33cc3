using System.CommandLine;
using System.Text;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 trace</c>: what happens inside the model while it reads a prompt, as a safetensors file.</summary>
internal static class TraceVerb
{
    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        PromptOptions prompt = new();
        Option<int[]?> promptIds = NumberOptions.List("--prompt-ids", "The prompt as tokens instead of a text.", "IDS");
        Option<string> output = new("--output") { Description = "The file to write.", HelpName = "FILE", Required = true };
        Option<int[]?> attention = NumberOptions.List("--attention", "Layers whose attention probabilities are written too; the MTP head's layer follows the trunk's.", "LAYERS");
        Command command = new("trace", "Writes residual streams, router choices, logits and MTP logits of a prompt to a safetensors file, in float32, or float64 with --reference.");
        prompt.AddTo(command);
        command.Options.Add(promptIds);
        command.Options.Add(output);
        command.Options.Add(attention);
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            ModelSettings settings = model.Read(parsed);
            string? text = prompt.Read(parsed, terminal);
            int[]? given = parsed.GetResult(promptIds) is null ? null : parsed.GetValue(promptIds);
            if (text is null == given is null)
                throw new UsageException("Either a text (--prompt TEXT, --prompt -, --prompt-file FILE) or --prompt-ids IDS is needed.");
            long context = given?.Length ?? Encoding.UTF8.GetByteCount(text!) + 1;
            using Mellum mellum = ModelLoading.Load(terminal, settings, context, new SpeculationOptions(DraftKind.Auto));
            int[] ids = given ?? mellum.Tokenizer.Encode(text, prompt.Encoding(parsed));
            int[] layers = Layers(parsed.GetValue(attention) ?? [], mellum.Model);
            Write(terminal, settings, mellum.Model, ids, layers, parsed.GetRequiredValue(output));
            return ExitCode.Success;
        });
        return command;
    }

    private static int[] Layers(int[] layers, MellumModel model)
    {
        int count = model.Configuration.LayerCount + (model.HasMtp ? 1 : 0);
        foreach (int layer in layers)
            if (layer >= count)
                throw new InvalidInputException($"--attention names layer {layer}, but layers 0 to {count - 1} are there.");
        return [.. layers.Distinct().Order()];
    }

    private static void Write(Terminal terminal, ModelSettings settings, MellumModel model, int[] ids, int[] layers, string path)
    {
        int most = Math.Min(settings.Context ?? int.MaxValue, model.Configuration.MaximumPositions);
        if (ids.Length == 0)
            throw new InvalidInputException("The prompt is empty; at least one token is needed to trace.");
        if (ids.Length > most)
            throw new InvalidInputException($"The prompt has {ids.Length} tokens, but the context has room for {most}.");
        using Trace trace = Trace.Run(model, ids, layers, terminal.Cancel);
        trace.Save(path, terminal.Cancel);
        if (settings.Json)
            terminal.WriteJson(json =>
            {
                json.WriteString("output", path);
                json.WriteStartArray("ids");
                foreach (int id in ids)
                    json.WriteNumberValue(id);
                json.WriteEndArray();
                json.WriteStartArray("tensors");
                foreach (TensorDeclaration tensor in trace.Declarations)
                    json.WriteStringValue(tensor.Name);
                json.WriteEndArray();
            });
        terminal.Note($"{path} has {trace.Declarations.Count} tensors of {ids.Length} tokens, {Quantity.Bytes(trace.Declarations.Sum(tensor => tensor.ByteLength))}.");
    }
}
