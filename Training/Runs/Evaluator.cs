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
            if (label != SampleLabels.Masked && !tokenizer.IsSpecial(label))
                _bytes += tokenizer.Bytes(label).Length;
    }

    public EvaluationMetrics Run(TrainingModel model, long step, BestEvaluation? best)
    {
        long start = Stopwatch.GetTimestamp();
        double main = 0, mtp = 0;
        long rows = 0, correct = 0, mtpRows = 0, accepted = 0;
        foreach (TrainingBatch batch in _batches)
        {
            EvaluationResult result = model.Evaluate(batch);
            (main, mtp) = (main + result.MainLoss, mtp + result.MtpLoss);
            (rows, correct) = (rows + result.Rows, correct + result.Correct);
            (mtpRows, accepted) = (mtpRows + result.MtpRows, accepted + result.MtpAccepted);
        }
        double loss = main / rows;
        return new EvaluationMetrics
        {
            Step = step,
            Loss = loss,
            MtpLoss = mtpRows == 0 ? double.NaN : mtp / mtpRows,
            BitsPerByte = _bytes == 0 ? double.NaN : main / Math.Log(2) / _bytes,
            Accuracy = (double)correct / rows,
            MtpAcceptance = mtpRows == 0 ? double.NaN : (double)accepted / mtpRows,
            IsBest = loss < (best?.Loss ?? double.PositiveInfinity),
            Seconds = Stopwatch.GetElapsedTime(start).TotalSeconds,
        };
    }

    private void Take(SampleBatch batch)
    {
        _batches.Add(RunBatches.Copy(batch));
        batch.Clear();
    }
}

/// <summary>Micro-batches of samples as the model takes them.</summary>
internal static class RunBatches
{
    /// <summary>A copy: the stream uses its arrays again. The room behind a row's last document is one more, which does not count.</summary>
    public static TrainingBatch Copy(SampleBatch batch)
    {
        int count = batch.Rows * batch.SequenceLength;
        int[] documents = new int[count];
        for (int row = 0; row < batch.Rows; row++)
        {
            Span<int> rest = documents.AsSpan(row * batch.SequenceLength, batch.SequenceLength);
            int document = 0;
            foreach (int length in batch.SegmentLengths(row))
            {
                rest[..length].Fill(document++);
                rest = rest[length..];
            }
            rest.Fill(document);
        }
        return new TrainingBatch(batch.SequenceLength, batch.Ids[..count], batch.Labels[..count], batch.MtpLabels[..count], documents);
    }
}
