using System.Text;
using System.Text.Json;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>A command that ran in this process: its exit code and what it wrote.</summary>
internal sealed record CommandRun(int Code, string Output, string Error)
{
    /// <summary>Standard output as one JSON object.</summary>
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    /// <summary>The one sentence on standard error.</summary>
    public string Sentence => Error.TrimEnd('\n');

    /// <summary>Runs a command without input.</summary>
    public static CommandRun Of(params string[] args) => WithInput([], args);

    /// <summary>Runs a command whose standard input has this text.</summary>
    public static CommandRun WithText(string input, params string[] args) => WithInput(Encoding.UTF8.GetBytes(input), args);

    /// <summary>Runs a command whose standard input has these bytes.</summary>
    public static CommandRun WithInput(byte[] input, params string[] args)
    {
        using MemoryStream output = new();
        using StringWriter error = new();
        int code = Program.Run(args, new MemoryStream(input), output, error);
        return new CommandRun(code, Encoding.UTF8.GetString(output.ToArray()), error.ToString().ReplaceLineEndings("\n"));
    }

    /// <summary>The output, if the command succeeded.</summary>
    public CommandRun Succeeded()
    {
        Assert.True(Code == ExitCode.Success, $"Exit code {Code}: {Error}");
        return this;
    }

    /// <summary>Whole numbers of a JSON field.</summary>
    public int[] Integers(string field) => Integers(Json, field);

    /// <summary>Whole numbers of a JSON field.</summary>
    public static int[] Integers(JsonElement json, string field) => [.. json.GetProperty(field).EnumerateArray().Select(item => item.GetInt32())];

    /// <summary>The lines of the output, each one a JSON object.</summary>
    public JsonElement[] JsonLines() =>
        [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => JsonDocument.Parse(line).RootElement)];
}

/// <summary>A folder that goes away with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("mellum2-cli-").FullName;

    public string Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    public string Write(string name, byte[] bytes)
    {
        string path = System.IO.Path.Combine(Path, name);
        File.WriteAllBytes(path, bytes);
        return path;
    }

    /// <summary>The small checkpoint, without the files named.</summary>
    public string CopyDefault(params string[] without)
    {
        foreach (string file in Directory.GetFiles(Model.Mellum.DefaultFolder))
            if (!without.Contains(System.IO.Path.GetFileName(file)))
                File.Copy(file, System.IO.Path.Combine(Path, System.IO.Path.GetFileName(file)), overwrite: true);
        return Path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
