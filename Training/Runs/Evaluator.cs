using System.Diagnostics;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>Evaluates a model on held-out samples: the same ones every time, drawn from each data set in proportion to its size.</summary>
internal sealed class Evaluator
{
    private readonly List<TrainingBatch> _batches = [];
    private readonly long _bytes;

    /// <param name="sets">The held-out samples.</param>
    /// <param name="tokenizer">Knows the bytes of tokens.</param>
    /// <param name="rows">The rows of a micro-batch.</param>
    /// <param name="batches">How many micro-batches at most; 0 takes all samples.</param>
    /// <param name="positions">How positions are counted.</param>
    public Evaluator(IReadOnlyList<TokenDataset> sets, Tokenizer tokenizer, int rows, int batches, PositionMode positions)
    {
        long total = sets.Sum(set => set.Count), wanted = batches == 0 ? total : Math.Min(total, (long)batches * rows);
        SampleBatch batch = new(rows, sets[0].SequenceLength, sets[0].EndId);
        batch.Clear();
        long open = wanted;
        foreach (TokenDataset set in sets)
        {
            long share = Math.Min(open, (long)Math.Ceiling((double)set.Count * wanted / total));
            open -= share;
            FeistelPermutation order = new(set.Count, DataPurpose.ValidationOrder);
            for (long i = 0; i < share; i++)
            {
                batch.Add(set, order[i], 0, positions);
                if (batch.Rows == rows)
                    Take(batch);
            }
        }
        if (batch.Rows > 0)
            Take(batch);
        foreach (int label in _batches.SelectMany(one => one.Labels))
            if (label != SampleLabels.Masked)
                _bytes += tokenizer.Bytes(label).Length;
    }

    public EvaluationMetrics Run(TrainingModel model, long step, BestEvaluation? best)
    {
        long start = Stopwatch.GetTimestamp();
        EvaluationResult sum = default;
        foreach (TrainingBatch batch in _batches)
            sum += model.Evaluate(batch);
        // A trunk that is not trained has the same loss in every evaluation.
        double deciding = model.Options.Trained == TrainedPart.MtpHead ? sum.MeanMtpLoss : sum.MeanLoss;
        return new EvaluationMetrics
        {
            Step = step,
            Loss = sum.MeanLoss,
            MtpLoss = sum.MeanMtpLoss,
            BitsPerByte = sum.BitsPerByte(_bytes),
            Accuracy = sum.Accuracy,
            MtpAcceptance = sum.MtpAcceptance,
            DecidingLoss = deciding,
            IsBest = deciding < (best?.Loss ?? double.PositiveInfinity),
            Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
        };
    }

    private void Take(SampleBatch batch)
    {
        _batches.Add(TrainingBatch.Of(batch));
        batch.Clear();
    }
}
