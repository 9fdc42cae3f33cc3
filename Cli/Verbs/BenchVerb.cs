using System.CommandLine;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary><c>mellum2 bench</c>: how fast a model reads and writes, and how fast the machine could.</summary>
internal static class BenchVerb
{
    private const long LeastBuffer = 64L << 20;
    private const long MostBuffer = 512L << 20;

    public static Command Create(Terminal terminal)
    {
        ModelOptions model = new();
        ShapeOptions shape = new();
        PromptOptions prompt = new();
        SpeculationChoice speculation = new();
        Option<int> promptTokens = NumberOptions.Whole("--prompt-tokens", "Tokens to read; a prompt is repeated or cut to that, without one they are random.", 512, 1);
        Option<int> decodeTokens = NumberOptions.Whole("--decode-tokens", "Tokens to write.", 64, 1);
        Option<int> rounds = NumberOptions.Whole("--rounds", "Rounds; the median counts.", 5, 1);
        Command command = new("bench", "Measures prefill and decoding, plain and speculative, against the memory and the multipliers of the machine, in the same run. Greedy. On a checkpoint, or on random weights of a named shape.");
        foreach (Option option in (Option[])[promptTokens, decodeTokens, rounds])
            command.Options.Add(option);
        shape.AddTo(command);
        prompt.AddTo(command);
        speculation.AddTo(command);
        model.AddTo(command);
        command.SetAction(parsed =>
        {
            ModelSettings settings = model.Read(parsed);
            NamedShape? named = shape.Read(parsed, model.NamesModel(parsed));
            SpeculationOptions drafts = speculation.Read(parsed);
            string? text = prompt.Read(parsed, terminal);
            if (named is not null && text is not null)
                throw new UsageException("Random weights have no tokenizer, so --shape takes no prompt.");
            int reads = parsed.GetValue(promptTokens), writes = parsed.GetValue(decodeTokens);
            long needed = (long)reads + writes + SpeculationOptions.MostDrafts + 2;
            int positions = named?.Configuration.MaximumPositions ?? Positions(settings.Folder);
            if (needed > (settings.Context ?? positions))
                throw new InvalidInputException(
                    $"{reads} tokens to read and {writes} to write need a context of {needed}, but there is room for {settings.Context ?? positions}.");
            (Mellum mellum, ActiveWeights weights) = named is null
                ? Open(terminal, settings, needed, drafts)
                : Create(terminal, settings, named, needed, drafts);
            using (mellum)
            {
                int[] ids = text is null
                    ? RandomIds(reads, mellum.Model.Configuration.VocabularySize)
                    : Repeat(mellum.Tokenizer.Encode(text, prompt.Encoding(parsed)), reads);
                BenchRun run = new(mellum.Model, ids, writes, parsed.GetValue(rounds), (int)needed, terminal.Cancel);
                Report(terminal, settings, named?.Name ?? settings.Folder, mellum.Model, weights, run, ids.Length, writes, parsed.GetValue(rounds), drafts);
            }
            return ExitCode.Success;
        });
        return command;
    }

    private static int Positions(string folder)
    {
        ModelLoading.RequireFolder(folder);
        return ModelConfiguration.Load(folder).MaximumPositions;
    }

    private static (Mellum, ActiveWeights) Open(Terminal terminal, ModelSettings settings, long context, SpeculationOptions drafts)
    {
        Mellum mellum = ModelLoading.Load(terminal, settings, context, drafts);
        using Checkpoint checkpoint = Checkpoint.Open(settings.Folder);
        return (mellum, BenchWeights.Of(checkpoint, mellum.Model.Configuration, settings.Reference));
    }

    private static (Mellum, ActiveWeights) Create(
        Terminal terminal, ModelSettings settings, NamedShape shape, long context, SpeculationOptions drafts)
    {
        long bytes = shape.Configuration.ExpectedTensors(shape.WithMtp).SelectMany(tensor => ShapeBytes.Of(tensor, shape.Format)).Sum(part => part.Bytes);
        MemoryCheck.Require(
            terminal, settings, shape.Configuration, bytes,
            () => DevicePlan.WeightBytes(shape.Configuration, shape.WithMtp, name => RandomWeights.FormatOf(name, shape.Format)), shape.WithMtp, context);
        if (drafts.Kind == DraftKind.Mtp && !shape.WithMtp)
            throw new UsageException("--draft mtp needs --with-mtp on a shape.");
        using ProgressLine progress = new(terminal, "Making weights:", "parts");
        Mellum mellum = Mellum.Random(shape.Configuration, shape.Format, shape.WithMtp, ModelLoading.Options(settings) with { Progress = progress });
        progress.Dispose();
        terminal.Note(ModelLoading.Describe(mellum.Model, $"random weights of {shape.Name} with {shape.Configuration.LayerCount} layers"));
        return (mellum, BenchWeights.Of(shape, settings.Reference));
    }

    private static void Report(
        Terminal terminal, ModelSettings settings, string name, MellumModel model, ActiveWeights weights, BenchRun run,
        int reads, int writes, int rounds, SpeculationOptions drafts)
    {
        List<SpeculationOptions> ways = [SpeculationOptions.Off];
        if (drafts.Kind != DraftKind.None)
            ways.Add(drafts);
        BenchResult[] results;
        using (ProgressLine progress = new(terminal, "Measuring:", "rounds"))
            results = run.Measure(ways, (done, total) => progress.Report(done, total));
        MachineLimits? limits = settings.OnCpu ? MachineLimits.Measure(settings.Threads, settings.Width, BufferBytes()) : null;
        BenchReport report = new(
            name, model.Context.Kernels.Description, reads, writes, rounds, weights, limits, results[0], results.Length > 1 ? results[1] : null);
        if (settings.Json)
            terminal.WriteJson(report.Write);
        else
            terminal.WriteTable(["tokens per second", "median", "least", "most", "compared with the machine"], report.Rows());
    }

    /// <summary>Far more than caches hold, far less than there is.</summary>
    public static long BufferBytes() => Math.Clamp(MemoryCheck.AvailableBytes() / 8, LeastBuffer, MostBuffer);

    private static int[] RandomIds(int count, int vocabulary)
    {
        int[] ids = new int[count];
        for (int i = 0; i < count; i++)
            ids[i] = (int)(Philox.Uniform(0, (ulong)i, 0) * vocabulary);
        return ids;
    }

    private static int[] Repeat(int[] ids, int count)
    {
        if (ids.Length == 0)
            throw new InvalidInputException("The prompt is empty; at least one token is needed to measure with.");
        int[] repeated = new int[count];
        for (int i = 0; i < count; i++)
            repeated[i] = ids[i % ids.Length];
        return repeated;
    }
}
