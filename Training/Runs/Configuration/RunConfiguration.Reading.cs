using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

public sealed partial record RunConfiguration
{
    private const long MaximumSteps = 1_000_000_000_000;
    private const long MaximumSamples = 1L << 48;
    private const int MaximumTokens = 1 << 28;
    private const double MaximumRate = 100;

    private static readonly (string, TrainingPrecision)[] s_precisions = [("f32", TrainingPrecision.F32), ("bf16", TrainingPrecision.BF16), ("fp8", TrainingPrecision.FP8)];
    private static readonly (string, TrainedPart)[] s_parts = [("whole", TrainedPart.Whole), ("mtp_head", TrainedPart.MtpHead)];
    private static readonly (string, PositionMode)[] s_positions = [("restart", PositionMode.Restart), ("run_on", PositionMode.RunOn)];
    private static readonly (string, OptimizerKind)[] s_optimizers = [("muon", OptimizerKind.Muon), ("adamw", OptimizerKind.AdamW)];
    private static readonly (string, MuonCoefficients)[] s_coefficients =
        [("quintic", MuonCoefficients.Quintic), ("simple", MuonCoefficients.Simple), ("near_exact", MuonCoefficients.NearExact)];
    private static readonly (string, ScheduleKind)[] s_schedules =
        [("whd", ScheduleKind.WarmUpHoldDecay), ("cosine", ScheduleKind.Cosine), ("constant", ScheduleKind.Constant)];

    private static RunConfiguration Read(JsonElement root, string file, string folder)
    {
        RunFields fields = new(root, file);
        RunConfiguration defaults = new();
        DataSettings data = ReadData(fields, folder);
        (IReadOnlyList<PhaseSettings> phases, long steps) = ReadPhases(fields, data, defaults.Steps);
        RunConfiguration run = new()
        {
            Model = ReadModel(fields.Section("model"), file, folder),
            Tokenizer = fields.FilePath("tokenizer", folder),
            Data = data,
            Phases = phases,
            Steps = steps,
            Batch = ReadBatch(fields.Section("batch"), data, steps),
            Optimizer = ReadOptimizer(fields.Section("optimizer")),
            Precision = fields.Choice("precision", s_precisions, defaults.Precision),
            Recompute = fields.Switch("recompute", defaults.Recompute),
            Schedule = ReadSchedule(fields.Section("schedule"), steps),
            Losses = ReadLosses(fields.Section("losses")),
            Evaluation = ReadEvaluation(fields, data),
            Checkpoints = ReadCheckpoints(fields.Section("checkpoints")),
            Seed = fields.Seed("seed"),
            Threads = fields.Whole("threads", 0, 1024, defaults.Threads),
            Prefetch = fields.Whole("prefetch", 0, 1024, defaults.Prefetch),
        };
        fields.End();
        return run;
    }

    private static ModelSettings ReadModel(RunFields fields, string file, string folder)
    {
        ModelSettings defaults = new();
        ModelSettings model = new()
        {
            From = fields.FilePath("from", folder),
            Name = fields.Text("name") ?? defaults.Name,
            Shape = ReadShape(fields.OptionalSection("shape")),
            Mtp = fields.Switch("mtp"),
            Trained = fields.Choice("trained", s_parts, defaults.Trained),
            Yarn = ReadYarn(fields.OptionalSection("yarn")),
        };
        fields.End();
        if (model.From is not null && (fields.Has("name") || fields.Has("shape")))
            throw fields.Error(fields.PathOf("from"), $"gives the shape of a checkpoint, so {fields.PathOf(fields.Has("name") ? "name" : "shape")} must not be there");
        if (model.Trained == TrainedPart.MtpHead && model.Mtp == false)
            throw fields.Error(fields.PathOf("trained"), $"is mtp_head, but {fields.PathOf("mtp")} is false");
        // A wrong name or value is found now and not after the data has been tokenised.
        if (model.From is null)
            _ = RunShapes.Create(model, vocabulary: 1, endId: 0, file);
        return model;
    }

    private static Dictionary<string, JsonElement> ReadShape(RunFields? fields)
    {
        Dictionary<string, JsonElement> shape = new(StringComparer.Ordinal);
        if (fields is null)
            return shape;
        fields.Allow(RunShapes.Fields);
        fields.End();
        foreach (string name in fields.Names)
            if (fields.Element(name) is { } value)
                shape.Add(name, value);
        return shape;
    }

    private static YarnSettings? ReadYarn(RunFields? fields)
    {
        if (fields is null)
            return null;
        YarnSettings yarn = new(
            fields.Real("factor", 1, 1e6) ?? throw fields.Wrong("factor", "a number above 1"),
            (int?)fields.Whole("original_context", 1, int.MaxValue),
            fields.Real("beta_fast", 1e-6, 1e6, 32),
            fields.Real("beta_slow", 1e-6, 1e6, 1),
            fields.Real("attention_factor", 1e-6, 1e6));
        fields.End();
        return yarn.BetaSlow <= yarn.BetaFast ? yarn : throw fields.Wrong("beta_slow", "at most beta_fast");
    }

    private static DataSettings ReadData(RunFields root, string folder)
    {
        DataSettings defaults = new();
        if (!root.Has("data"))
            throw root.Wrong("data", "an object with sources");
        RunFields fields = root.Section("data");
        SourceSettings[] sources = [.. fields.List("sources").Select(item => ReadSource(root, item.Element, item.Path, folder))];
        DataSettings data = new()
        {
            Sources = sources,
            Length = (int?)fields.Whole("length", 2, DatasetPacker.MostSequenceLength),
            Positions = fields.Choice("positions", s_positions, defaults.Positions),
            LeastUnique = (int?)fields.Whole("least_unique", 0, int.MaxValue),
            EndToken = fields.Text("end_token") ?? defaults.EndToken,
            Validation = fields.Element("validation") is { } own ? ReadSource(root, own, fields.PathOf("validation"), folder) : null,
            HeldOut = fields.Real("held_out", 0, 0.5, fields.Has("validation") ? 0 : defaults.HeldOut),
        };
        fields.End();
        if (sources.Length == 0)
            throw fields.Wrong("sources", "a list with at least one source");
        if (sources.GroupBy(source => source.Name).FirstOrDefault(group => group.Count() > 1) is { } twice)
            throw fields.Error(fields.PathOf("sources"), $"has two sources named \"{twice.Key}\"; give each a name of its own");
        if (sources.Count(source => source.Weight is not null) is int weighted && weighted > 0 && weighted < sources.Length)
            throw fields.Error(fields.PathOf("sources"), $"has a weight for {weighted} of {sources.Length} sources; give one to all or to none");
        if (weighted > 0 && sources.Sum(source => source.Weight) <= 0)
            throw fields.Error(fields.PathOf("sources"), "has weights that are all 0");
        if (data.Validation is not null && data.HeldOut > 0)
            throw fields.Error(fields.PathOf("held_out"), $"is above 0, but {fields.PathOf("validation")} names a source of its own");
        return data;
    }

    private static SourceSettings ReadSource(RunFields root, JsonElement element, string path, string folder)
    {
        SourceSettings defaults = new();
        if (element.ValueKind == JsonValueKind.String)
            element = JsonSerializer.SerializeToElement(new Dictionary<string, JsonElement> { ["path"] = element });
        if (element.ValueKind != JsonValueKind.Object)
            throw root.Error(path, $"is {StrictJson.Excerpt(element)}, but a path or an object with path is expected");
        RunFields fields = root.At(element, path);
        IReadOnlyList<string> paths = fields.FilePaths("path", folder);
        if (paths.Count == 0)
            throw fields.Wrong("path", "a path or a list of paths");
        SourceSettings source = new()
        {
            Name = fields.Text("name") ?? Path.GetFileName(paths[0]),
            Paths = paths,
            Extensions = fields.Texts("extensions"),
            TextField = fields.Text("text_field") ?? defaults.TextField,
            Strict = fields.Switch("strict", defaults.Strict),
            FillInTheMiddle = fields.Real("fim", 0, 1, defaults.FillInTheMiddle),
            SuffixFirst = fields.Real("spm", 0, 1, defaults.SuffixFirst),
            Weight = fields.Real("weight", 0, 1e12),
        };
        fields.End();
        return source;
    }

    private static (IReadOnlyList<PhaseSettings>, long) ReadPhases(RunFields root, DataSettings data, long defaultSteps)
    {
        List<PhaseSettings> phases = [];
        foreach ((string path, JsonElement element) in root.List("phases"))
        {
            RunFields fields = root.At(element, path);
            long steps = fields.Whole("steps", 1, MaximumSteps) ?? throw fields.Wrong("steps", "a whole number of at least 1");
            Dictionary<string, double>? weights = null;
            if (fields.OptionalSection("weights") is { } named)
            {
                weights = new Dictionary<string, double>(StringComparer.Ordinal);
                named.Allow(data.Sources.Select(source => source.Name));
                named.End();
                foreach (string name in named.Names)
                    weights[name] = named.Real(name, 0, 1e12, 0);
                if (weights.Values.Sum() <= 0)
                    throw fields.Wrong("weights", "at least one weight above 0");
            }
            fields.End();
            phases.Add(new PhaseSettings(steps, weights));
        }
        long? all = root.Whole("steps", 1, MaximumSteps), sum = phases.Count == 0 ? null : phases.Sum(phase => phase.Steps);
        if (all is not null && sum is not null && all != sum)
            throw root.Error("steps", $"is {all}, but the steps of phases add up to {sum}");
        return (phases, all ?? sum ?? defaultSteps);
    }

    private static BatchSettings ReadBatch(RunFields fields, DataSettings data, long steps)
    {
        BatchSettings defaults = new();
        BatchSettings batch = new(fields.Whole("rows", 1, 1 << 20, defaults.Rows), fields.Whole("accumulation", 1, 1 << 20, defaults.Accumulation));
        fields.End();
        if ((long)batch.Rows * (data.Length ?? 1) > MaximumTokens)
            throw fields.Error(fields.PathOf("rows"), $"times data.length is more than {MaximumTokens:N0} tokens for a micro-batch");
        if (steps > MaximumSamples / ((long)batch.Rows * batch.Accumulation))
            throw fields.Error(fields.PathOf("rows"), $"times accumulation and steps is more than {MaximumSamples:N0} samples");
        return batch;
    }

    private static OptimizerSettings ReadOptimizer(RunFields fields)
    {
        OptimizerSettings defaults = new();
        OptimizerSettings optimizer = new()
        {
            Kind = fields.Choice("kind", s_optimizers, defaults.Kind),
            LearningRate = fields.Real("learning_rate", 0, MaximumRate, defaults.LearningRate),
            Momentum = fields.Real("momentum", 0, 0.999999, defaults.Momentum),
            WeightDecay = fields.Real("weight_decay", 0, MaximumRate, defaults.WeightDecay),
            Coefficients = fields.Choice("coefficients", s_coefficients, defaults.Coefficients),
            SplitGateUp = fields.Switch("split_gate_up", defaults.SplitGateUp),
            Scale = fields.Real("scale", 0, MaximumRate, defaults.Scale),
            Beta1 = fields.Real("beta1", 0, 0.999999, defaults.Beta1),
            Beta2 = fields.Real("beta2", 0, 0.9999999, defaults.Beta2),
            Epsilon = fields.Real("epsilon", 1e-30, 1, defaults.Epsilon),
            Clip = fields.Real("clip", 0, 1e12, defaults.Clip),
        };
        fields.End();
        return optimizer;
    }

    private static ScheduleSettings ReadSchedule(RunFields fields, long steps)
    {
        ScheduleSettings schedule = new()
        {
            Kind = fields.Choice("kind", s_schedules, ScheduleKind.WarmUpHoldDecay),
            WarmUp = fields.Whole("warm_up", 0, MaximumSteps),
            Decay = fields.Whole("decay", 0, MaximumSteps),
            Minimum = fields.Real("minimum", 0, MaximumRate, 0),
        };
        fields.End();
        if (schedule.Kind != ScheduleKind.WarmUpHoldDecay && schedule.Decay > 0)
            throw fields.Error(fields.PathOf("decay"), $"is a number of steps, but {fields.PathOf("kind")} is not whd");
        long used = schedule.WarmUpOf(steps) + schedule.DecayOf(steps);
        if (schedule.Kind != ScheduleKind.Constant && used > steps)
            throw fields.Error(fields.PathOf("warm_up"), $"and decay take {used:N0} steps, but the run has {steps:N0}");
        return schedule;
    }

    private static LossSettings ReadLosses(RunFields fields)
    {
        LossSettings defaults = new();
        LossSettings losses = new(
            fields.Real("mtp", 0, MaximumRate, defaults.Mtp),
            fields.Real("balance", 0, MaximumRate, defaults.Balance),
            fields.Real("z", 0, MaximumRate, defaults.Z));
        fields.End();
        return losses;
    }

    private static EvaluationSettings ReadEvaluation(RunFields root, DataSettings data)
    {
        RunFields fields = root.Section("evaluation");
        EvaluationSettings defaults = new();
        EvaluationSettings evaluation = new(
            fields.Whole("every", 0, MaximumSteps, defaults.Every),
            fields.Whole("batches", 0, int.MaxValue, defaults.Batches),
            fields.Switch("at_start"));
        fields.End();
        bool hasData = data.Validation is not null || data.HeldOut > 0;
        if (!hasData && fields.Has("every") && evaluation.Every > 0)
            throw fields.Error(fields.PathOf("every"), "asks for evaluations, but data.held_out is 0 and there is no data.validation");
        return evaluation;
    }

    private static CheckpointSettings ReadCheckpoints(RunFields fields)
    {
        CheckpointSettings defaults = new();
        CheckpointSettings checkpoints = new(
            fields.Whole("every", 0, MaximumSteps, defaults.Every),
            fields.Whole("keep", 1, 1_000_000, defaults.Keep),
            fields.Switch("best", defaults.Best));
        fields.End();
        return checkpoints;
    }
}
