using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// What a run is made of before anything is computed: its folder, configuration, tokenizer, data and first weights, all checked
/// against each other. A run's folder gets its files only when everything fits.
/// </summary>
internal sealed class RunSetup : IDisposable
{
    private string? _tokenizerToCopy;

    private RunSetup(RunFolder folder) => Folder = folder;

    public RunFolder Folder { get; }

    /// <summary>The run, every default filled in.</summary>
    public RunConfiguration Run { get; private set; } = null!;

    public Tokenizer Tokenizer { get; private set; } = null!;

    public RunData Data { get; private set; } = null!;

    public RunModel Model { get; private set; } = null!;

    /// <summary>The checkpoint to go on from; null at the beginning.</summary>
    public (string Folder, TrainingState State)? Checkpoint { get; private set; }

    /// <summary>Sets up a new run.</summary>
    public static RunSetup Create(RunConfiguration run, string path, TrainerOptions options, CancellationToken cancel)
    {
        run = run.Checked();
        string tokenizerFolder = TokenizerFolder(run);
        Tokenizer tokenizer = LoadTokenizer(tokenizerFolder);
        RunSetup setup = new(RunFolder.Create(path));
        try
        {
            setup.Tokenizer = tokenizer;
            int endId = setup.EndId(run);
            setup.Model = RunModel.Begin(run, tokenizer, endId);
            setup.Data = RunData.Open(run, tokenizer, options.DataCache ?? setup.Folder.Data, options.Observer, cancel);
            setup.Run = Resolve(run, tokenizerFolder, setup, endId);
            setup._tokenizerToCopy = tokenizerFolder;
            return setup;
        }
        catch
        {
            setup.Dispose();
            throw;
        }
    }

    /// <summary>Sets up a run that goes on from its last checkpoint, or begins if it has none.</summary>
    public static RunSetup Open(string path, RunConfiguration? changed, TrainerOptions options, CancellationToken cancel)
    {
        RunSetup setup = new(RunFolder.Open(path));
        try
        {
            RunFolder folder = setup.Folder;
            RunConfiguration run = (changed ?? RunConfiguration.Load(folder.ConfigurationFile)).Checked();
            setup.Tokenizer = LoadTokenizer(folder.Tokenizer);
            if (run.Tokenizer is { } other && File.Exists(TokenizerFile(other)))
                VocabularyIdentity.Of(setup.Tokenizer).Require(VocabularyIdentity.Of(Tokenizer.Load(TokenizerFile(other))), other);
            if (folder.CheckpointSteps() is { Count: > 0 } steps)
            {
                string checkpoint = folder.CheckpointOf(steps[^1]);
                setup.Checkpoint = (checkpoint, TrainingState.Load(checkpoint));
            }
            int endId = setup.EndId(run);
            setup.Model = setup.Checkpoint is { } last
                ? RunModel.GoOn(last.Folder, run, setup.Tokenizer, endId)
                : RunModel.Begin(run, setup.Tokenizer, endId);
            setup.Data = RunData.Open(run, setup.Tokenizer, options.DataCache ?? folder.Data, options.Observer, cancel);
            setup.Run = Resolve(run, run.Tokenizer ?? folder.Tokenizer, setup, endId);
            if (setup.Checkpoint is { } known)
            {
                RunComparison.RequireSame(known.State.Configuration, setup.Run, known.Folder);
                if (setup.Run.Steps < known.State.Step)
                    throw new InvalidInputException($"The run has taken {known.State.Step:N0} steps already, but steps is {setup.Run.Steps:N0}.");
            }
            RunCheckpoint.WriteFile(folder.ConfigurationFile, Encoding.UTF8.GetBytes(setup.Run.ToJson()));
            return setup;
        }
        catch
        {
            setup.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Data?.Dispose();
        Model?.Dispose();
        Folder.Dispose();
    }

    private static string TokenizerFile(string path) => Directory.Exists(path) ? Path.Combine(path, "tokenizer.json") : path;

    private static string TokenizerFolder(RunConfiguration run)
    {
        string path = run.Tokenizer ?? run.Model.From ?? Mellum2.Managed.Model.Mellum.DefaultFolder;
        return File.Exists(path) ? Path.GetDirectoryName(Path.GetFullPath(path))! : path;
    }

    private static Tokenizer LoadTokenizer(string folder)
    {
        string file = TokenizerFile(folder);
        return File.Exists(file) ? Tokenizer.Load(file) : throw new InvalidInputException($"{folder} has no tokenizer.json; the folder of a tokenizer is expected.");
    }

    private int EndId(RunConfiguration run) => Tokenizer.TryGetId(run.Data.EndToken, out int id)
        ? id
        : throw new InvalidInputException($"The tokenizer has no token {run.Data.EndToken} (data.end_token), which should end each document.");

    private static RunConfiguration Resolve(RunConfiguration run, string tokenizer, RunSetup setup, int endId)
    {
        IReadOnlyDictionary<string, JsonElement> shape = run.Model.Shape;
        if (run.Model.From is null)
        {
            // All of the shape, so that the run's file says everything even if a named shape should change; YaRN stands beside it.
            JsonObject json = JsonNode.Parse(RunShapes.Create(run.Model, setup.Tokenizer.VocabularySize, endId, "The run").ToJson())!.AsObject();
            json["num_nextn_predict_layers"] = setup.Model.HasMtp ? 1 : 0;
            shape = json.Where(pair => pair.Value is not null && RunShapes.Fields.Contains(pair.Key))
                .ToDictionary(pair => pair.Key, pair => JsonSerializer.SerializeToElement(pair.Value));
        }
        return run with
        {
            Model = run.Model with { Shape = shape, Mtp = setup.Model.HasMtp },
            Tokenizer = tokenizer,
            Data = run.Data with { Length = setup.Data.Length },
            Schedule = run.Schedule with
            {
                WarmUp = run.Schedule.WarmUpOf(run.Steps),
                Decay = run.Schedule.Kind == ScheduleKind.WarmUpHoldDecay ? run.Schedule.DecayOf(run.Steps) : null,
            },
            Evaluation = run.Evaluation with { AtStart = run.Evaluation.AtStart ?? run.Model.From is not null },
        };
    }

    /// <summary>Writes the files of a new run, when it is known that it fits.</summary>
    public void WriteFiles()
    {
        if (_tokenizerToCopy is not { } tokenizer)
            return;
        Directory.CreateDirectory(Folder.Tokenizer);
        RunCheckpoint.CopyTokenizer(tokenizer, Folder.Tokenizer);
        string settings = Path.Combine(Folder.Tokenizer, "tokenizer_config.json");
        if (!File.Exists(settings))
        {
            JsonObject json = new()
            {
                ["tokenizer_class"] = "PreTrainedTokenizerFast",
                ["bos_token"] = Run.Data.EndToken,
                ["eos_token"] = Run.Data.EndToken,
                ["clean_up_tokenization_spaces"] = false,
            };
            RunCheckpoint.WriteFile(settings, Encoding.UTF8.GetBytes(json.ToJsonString(new JsonSerializerOptions { WriteIndented = true }) + "\n"));
        }
        // The last one: a folder with it is a run.
        RunCheckpoint.WriteFile(Folder.ConfigurationFile, Encoding.UTF8.GetBytes(Run.ToJson()));
    }
}
