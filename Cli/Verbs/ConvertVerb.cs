using System.CommandLine;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 convert</c>: writes a checkpoint in another number format.</summary>
internal static class ConvertVerb
{
    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        Option<string> output = new("--output") { Description = "The new checkpoint's folder, which must not exist or be empty.", HelpName = "FOLDER", Required = true };
        WordOption<DType> type = ShapeOptions.FormatOption("The format of the new weights.", null);
        type.Required = true;
        Option<bool> head = new("--fp8-head") { Description = "With --dtype fp8: the output head too; without it, it stays BF16." };
        Command command = new("convert", "Writes a checkpoint in another number format. Needs a few megabytes of memory whatever the model's size.");
        command.Options.Add(output);
        command.Options.Add(type);
        command.Options.Add(head);
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            ModelSettings settings = model.Read(parsed);
            ModelLoading.RequireFolder(settings.Folder);
            string target = parsed.GetRequiredValue(output);
            DType format = type.Read(parsed);
            if (parsed.GetValue(head) && format != DType.F8E4M3)
                throw new UsageException("--fp8-head belongs to --dtype fp8.");
            using (ProgressLine progress = new(terminal, "Converting:", "MB"))
                CheckpointConverter.Convert(settings.Folder, target, new ConversionOptions(format, parsed.GetValue(head)), progress, terminal.Cancel);
            using Checkpoint written = Checkpoint.Open(target);
            if (settings.Json)
                terminal.WriteJson(json =>
                {
                    json.WriteString("output", target);
                    json.WriteString("dtype", format.Name());
                    json.WriteNumber("tensors", written.Tensors.Count);
                    json.WriteNumber("bytes", written.ByteLength);
                });
            else
                terminal.Note($"{target} has {written.Tensors.Count} tensors, {Quantity.Bytes(written.ByteLength)}, in {format.Name()}.");
            return ExitCode.Success;
        });
        return command;
    }
}
