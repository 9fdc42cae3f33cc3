using System.Diagnostics;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>
/// From a folder of sources to a model that writes such sources, in a given time: a tokenizer, samples with fill in the middle, a small
/// mixture of experts with MTP head, and what it can do before and after.
/// </summary>
internal sealed class DemoSession
{
    private const int Length = 256;
    private const int Rows = 16;
    private const double LearningRate = 5e-3;
    private const double FillInTheMiddleRate = 0.5;
    private const double HeldOutShare = 0.1;
    private const int EvaluationBatches = 4;
    private const int Evaluations = 8;

    // A short run has little time for either.
    private const int LeastWarmUp = 20;
    private const double DecayShare = 0.3;

    // Steps of the trial run; the first ones allocate and compile and do not count.
    private const int TrialSteps = 9, TrialStepsBefore = 4;
    private const int LeastSteps = 30;

    // More passes over few data teach them by heart.
    private const int MostEpochs = 6, FewSteps = 120;

    // The share of the time that is planned for, so that a machine with other things to do still keeps it.
    private const double PlannedShare = 0.9;

    // The run is stopped when it has taken so many times the time that it was given, but not for a minute.
    private const double Patience = 1.8;
    private static readonly TimeSpan s_leastPatience = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_afterTraining = TimeSpan.FromSeconds(10);

    private readonly long _start = Stopwatch.GetTimestamp();
    private readonly Terminal _terminal;
    private readonly TrainSettings _settings;
    private readonly TimeSpan _time;
    private readonly DemoFolder _folder;
    private readonly DemoCorpus _corpus;
    private readonly int _threads;
    private readonly double _peak;

    private DemoSession(Terminal terminal, TrainSettings settings, string sources, TimeSpan time)
    {
        (_terminal, _settings, _time) = (terminal, settings, time);
        _folder = DemoFolder.Create(settings.Output);
        _corpus = DemoCorpus.Collect(sources, terminal.Cancel);
        _threads = DataVerb.ThreadCount(settings.Threads ?? 0);
        _peak = MachinePeak.Measure(_threads);
    }

    private TimeSpan Elapsed => Stopwatch.GetElapsedTime(_start);

    /// <summary>Runs the demonstration.</summary>
    /// <returns>The exit code.</returns>
    /// <exception cref="InvalidInputException">There is too little text, or the folder for the results has something in it.</exception>
    public static int Run(Terminal terminal, TrainSettings settings, string sources, TimeSpan time)
    {
        DemoSession session = new(terminal, settings, sources, time);
        terminal.Note(Quantity.Text(
            $"Training on {session._corpus.Training.Count:N0} source files, holding out {session._corpus.HeldOut.Count:N0}: {Quantity.Bytes(session._corpus.Bytes)} ({session._corpus.LeftOut:N0} others are left out). This takes about {StepLine.Duration(time)}; Ctrl+C stops it."));
        return session.Run();
    }

    private int Run()
    {
        TokenizerTrainingReport trained = TrainTokenizer();
        Tokenizer tokenizer = TokenizeVerb.Load(_folder.Tokenizer);
        Tokenize(tokenizer, _corpus.Training, _folder.Training);
        if (_corpus.HeldOut.Count > 0)
            Tokenize(tokenizer, _corpus.HeldOut, _folder.HeldOut);
        string prompt = DemoSample.PromptOf(_corpus.HeldOut.Count > 0 ? _corpus.HeldOut : _corpus.Training);
        RunConfiguration run = _settings.Apply(Plan(MeasureSteps()));

        DemoReport report = new(_corpus, trained);
        CurveRecorder curves = new("demo", _terminal.Note);
        curves.Show(new LivePicture(Path.Combine(_folder.Run, CurvePicture.FileName), []));
        TrainingMonitor monitor = new(_terminal, curves, _peak, _settings.LinesEvery)
        {
            AfterEvaluation = evaluation => report.Evaluated(evaluation),
            AfterCheckpoint = checkpoint =>
            {
                if (checkpoint is { Step: 0, IsBest: true })
                    Show(report.Before = SampleOf(checkpoint.Path, prompt), "Before training");
            },
        };
        using CancellationTokenSource patience = CancellationTokenSource.CreateLinkedTokenSource(_terminal.Cancel);
        patience.CancelAfter(Longest(Patience * _time - Elapsed, s_leastPatience));
        try
        {
            using Trainer trainer = Trainer.Start(run, _folder.Run, OptionsFor(monitor), _terminal.Cancel);
            TrainingSummary summary = trainer.Run(patience.Token);
            if (_terminal.Cancel.IsCancellationRequested)
            {
                _terminal.Note(RunSession.ResumeHint(summary, _folder.Run));
                return ExitCode.Cancelled;
            }
            if (summary.IsCancelled)
                _terminal.Note(Quantity.Text($"The time is over: the run ends after step {summary.Step} of {run.Steps}."));
            report.Trained(monitor.Plan!, summary, RunSession.BestOf(trainer.Folder, summary));
        }
        finally
        {
            monitor.Close();
        }
        Finish(report, prompt);
        return ExitCode.Success;
    }

    private static TimeSpan Longest(TimeSpan a, TimeSpan b) => a > b ? a : b;

    private TokenizerTrainingReport TrainTokenizer()
    {
        // Few data do not fill a large vocabulary with tokens that are seen often enough to be learned.
        int vocabulary = _corpus.Bytes switch { >= 8_000_000 => 4096, >= 500_000 => 2048, _ => 1024 };
        using ProgressLine line = new(_terminal, "Training the tokenizer:", "tokens");
        TokenizerTrainingReport report = TokenizerTrainer.Run(
            _corpus.Training,
            _folder.Tokenizer,
            new TokenizerTrainingOptions { VocabularySize = vocabulary, Threads = _threads },
            new DirectProgress<TokenizerTrainingProgress>(value =>
            {
                if (value.IsMerging)
                    line.Report(value.Done, value.Total);
            }),
            _terminal.Cancel);
        line.Dispose();
        _terminal.Note(Quantity.Text($"The tokenizer has {report.VocabularySize:N0} tokens of {report.BytesPerToken:F2} bytes on average ({StepLine.Duration(Elapsed)})."));
        return report;
    }

    private void Tokenize(Tokenizer tokenizer, IReadOnlyList<SourceFile> files, string target)
    {
        double total = files.Sum(file => file.ByteLength) / 1e6;
        using ProgressLine line = new(_terminal, "Tokenizing:", "MB");
        CorpusTokenizer.Run(
            tokenizer, files, target, new TokenizingOptions { Threads = _threads }, new DirectProgress<long>(done => line.Report(done / 1e6, total)), _terminal.Cancel);
    }

    /// <summary>The run with a number of steps.</summary>
    private RunConfiguration Plan(long steps)
    {
        bool hasHeldOut = _corpus.HeldOut.Count > 0;
        long every = (steps + Evaluations - 1) / Evaluations;
        return new RunConfiguration
        {
            Tokenizer = _folder.Tokenizer,
            Data = new DataSettings
            {
                Sources = [new SourceSettings { Name = "sources", Paths = [_folder.Training], FillInTheMiddle = FillInTheMiddleRate }],
                Validation = hasHeldOut ? new SourceSettings { Name = "held-out", Paths = [_folder.HeldOut] } : null,
                HeldOut = hasHeldOut ? 0 : HeldOutShare,
                Length = Length,
            },
            Batch = new BatchSettings(Rows),
            Steps = steps,
            Optimizer = new OptimizerSettings { LearningRate = LearningRate },
            Schedule = new ScheduleSettings { WarmUp = Math.Min(steps / 4, Math.Max(LeastWarmUp, steps / 20)), Decay = (long)(DecayShare * steps) },
            Evaluation = new EvaluationSettings(every, EvaluationBatches, AtStart: true),
            Checkpoints = new CheckpointSettings(every),
            Threads = _settings.Threads ?? 0,
        };
    }

    /// <summary>Takes a few steps in a folder of their own and tells how many fit into the time.</summary>
    private long MeasureSteps()
    {
        TrialObserver trial = new();
        try
        {
            RunConfiguration run = _settings.Apply(Plan(TrialSteps) with { Evaluation = new EvaluationSettings(0, EvaluationBatches, AtStart: false) });
            using (Trainer trainer = Trainer.Start(run, _folder.Trial, OptionsFor(trial), _terminal.Cancel))
                trainer.Run(_terminal.Cancel);
        }
        finally
        {
            _folder.RemoveTrial();
        }
        _terminal.Cancel.ThrowIfCancellationRequested();
        double perStep = Rates.Of(trial.Seconds.Skip(TrialStepsBefore)).Median;
        TimeSpan left = PlannedShare * _time - Elapsed - s_afterTraining - TimeSpan.FromSeconds((Evaluations + 1) * trial.EvaluationSeconds);
        long inTime = (long)(left.TotalSeconds / perStep), epochs = MostEpochs * trial.Samples / Rows;
        return Math.Max(LeastSteps, Math.Min(inTime, Math.Max(FewSteps, epochs)));
    }

    private TrainerOptions OptionsFor(ITrainingObserver observer) =>
        _settings.Options(observer, _peak) with { DataCache = _folder.Samples };

    private DemoSample SampleOf(string checkpoint, string prompt)
    {
        using Mellum mellum = Mellum.Load(checkpoint, new MellumOptions { Threads = _threads }, _terminal.Cancel);
        return DemoSample.Of(mellum, prompt, _terminal.Cancel);
    }

    private void Show(DemoSample sample, string title)
    {
        if (!_settings.Json)
            _terminal.Write(sample.Show(title));
    }

    /// <summary>What the model can do now, and how fast.</summary>
    private void Finish(DemoReport report, string prompt)
    {
        using (Mellum mellum = Mellum.Load(report.Checkpoint, new MellumOptions { Threads = _threads }, _terminal.Cancel))
        {
            Show(report.After = DemoSample.Of(mellum, prompt, _terminal.Cancel), "After training");
            report.Measure(mellum, prompt, _terminal.Cancel);
        }
        report.Time = Elapsed;
        if (_settings.Json)
            _terminal.WriteJson(report.Write);
        else
            _terminal.WriteTable(["", ""], report.Rows());
        string model = RunSession.Shown(report.Checkpoint);
        _terminal.Note($"Curves: {RunSession.Shown(Path.Combine(_folder.Run, CurvePicture.FileName))}. Now try:");
        _terminal.Note($"  mellum2 generate --model {model} --prompt TEXT --temperature 0.6 --top-p 0.95");
        _terminal.Note($"  mellum2 generate --model {model} --file FILE --line L --column C");
        _terminal.Note($"  mellum2 train {RunSession.Shown(Path.Combine(_folder.Run, RunFolder.ConfigurationName))} --set steps=5000 --output runs/longer");
    }

    /// <summary>Times steps and says nothing.</summary>
    private sealed class TrialObserver : ITrainingObserver
    {
        public List<double> Seconds { get; } = [];

        public double EvaluationSeconds { get; private set; }

        public long Samples { get; private set; }

        public void Planned(TrainingPlan plan) => Samples = plan.Sources.Sum(source => source.Samples);

        public void Stepped(StepMetrics step) => Seconds.Add(step.Seconds);

        public void Evaluated(EvaluationMetrics evaluation) => EvaluationSeconds = evaluation.Seconds;
    }
}
