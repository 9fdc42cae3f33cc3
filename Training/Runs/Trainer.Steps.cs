using System.Diagnostics;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

public sealed partial class Trainer
{
    /// <summary>Takes a step, or skips it where loss or gradient is not finite, and reports it.</summary>
    /// <returns>The seconds that it took.</returns>
    private double TakeStep()
    {
        long start = Stopwatch.GetTimestamp();
        RunConfiguration run = _setup.Run;
        TrainingBatch[] batches = new TrainingBatch[run.Batch.Accumulation];
        for (int i = 0; i < batches.Length; i++)
            batches[i] = TrainingBatch.Of(_stream.Next() ?? throw new InvalidOperationException("The stream of samples ended before the last step."));
        StepResult result = Model.Step(batches, _factors);
        double learningRate = _schedule.At(_optimizer.StepCount + 1);
        ClipResult clip = double.IsFinite(result.Losses.Total) ? _optimizer.Step(learningRate) : new ClipResult(double.NaN, 0, Skipped: true);
        _step++;
        _tokens += result.Tokens;
        _skipped += clip.Skipped ? 1 : 0;
        _skippedInARow = clip.Skipped ? _skippedInARow + 1 : 0;
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds, flops = _cost.FlopsOf(batches) / seconds;
        StepMetrics metrics = new()
        {
            Step = _step,
            Steps = run.Steps,
            Tokens = _tokens,
            Loss = result.Losses.Total,
            Main = result.MainCrossEntropy,
            Mtp = result.MtpCrossEntropy,
            MtpAcceptance = result.MtpRows == 0 ? double.NaN : (double)result.MtpAccepted / result.MtpRows,
            Balance = result.Losses.Balance,
            RouterZ = result.Losses.RouterZ,
            Extra = result.Losses.Extra,
            GradientNorm = clip.Norm,
            LearningRate = learningRate,
            Skipped = _skipped,
            IsSkipped = clip.Skipped,
            Load = [.. result.ExpertLoads.Select(LargestShare)],
            ExpertLoads = result.ExpertLoads,
            Seconds = seconds,
            TokensPerSecond = result.Tokens / seconds,
            FlopsPerSecond = flops,
            PeakShare = flops / _options.PeakFlopsPerSecond,
        };
        _metrics.Write(metrics);
        _options.Observer?.Stepped(metrics);
        if (HasDiverged)
            throw new InvalidInputException($"Steps {_step - _skippedInARow + 1} to {_step} had a loss or a gradient that is not finite; {LastGood()}.");
        return seconds;
    }

    private void Evaluate()
    {
        if (_evaluator is null)
            return;
        EvaluationMetrics metrics = _evaluator.Run(Model, _step, _best);
        _lastValidationLoss = metrics.DecidingLoss;
        _metrics.Write(metrics);
        _options.Observer?.Evaluated(metrics);
        if (!metrics.IsBest)
            return;
        _best = new BestEvaluation(_step, metrics.DecidingLoss);
        if (_setup.Run.Checkpoints.Best)
            Timed(Folder.Best, isBest: true, () => RunCheckpoint.Replace(Folder.Best, target => Write(target, withOptimizer: false)));
    }

    private void Save()
    {
        string folder = Folder.CheckpointOf(_step);
        Timed(folder, isBest: false, () => Write(folder, withOptimizer: true));
        _savedStep = _step;
        if (_trunk is not null)
            _trunk = folder;
        IReadOnlyList<long> steps = Folder.CheckpointSteps();
        for (int i = 0; i < steps.Count - _setup.Run.Checkpoints.Keep; i++)
            RunCheckpoint.Delete(Folder.CheckpointOf(steps[i]));
    }

    private void Timed(string folder, bool isBest, Action write)
    {
        long start = Stopwatch.GetTimestamp();
        try
        {
            write();
        }
        catch (InvalidInputException e)
        {
            throw new InvalidInputException($"{e.Message.TrimEnd('.')}; the run stops at step {_step}, and {LastGood()}.", e);
        }
        _options.Observer?.Checkpointed(new CheckpointMetrics(_step, folder, isBest, Stopwatch.GetElapsedTime(start).TotalSeconds));
    }

    private void Write(string target, bool withOptimizer) => RunCheckpoint.Write(
        target, _setup.Model.Configuration, Model.AllTensors, _trunk, withOptimizer ? _optimizer : null,
        new TrainingState
        {
            Step = _step,
            Tokens = _tokens,
            Skipped = _skipped,
            SkippedInARow = _skippedInARow,
            Best = _best,
            LastValidationLoss = double.IsFinite(_lastValidationLoss) ? _lastValidationLoss : null,
            Stream = _stream.State,
            Configuration = RunComparison.Kept(_setup.Run),
        },
        Folder.Tokenizer);

    private string LastGood() => Folder.CheckpointSteps() is { Count: > 0 } steps
        ? $"the last good checkpoint is {Folder.CheckpointOf(steps[^1])}"
        : "there is no checkpoint yet";

    /// <summary>The share of the busiest expert times the number of experts.</summary>
    private static double LargestShare(int[] loads)
    {
        long all = 0;
        foreach (int load in loads)
            all += load;
        return all == 0 ? double.NaN : (double)loads.Max() * loads.Length / all;
    }
}
