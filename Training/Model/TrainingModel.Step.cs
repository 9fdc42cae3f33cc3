using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

public sealed partial class TrainingModel
{
    /// <summary>
    /// Computes the losses of a step and their gradients, anew. Cross-entropies are means over all rows with a label in the
    /// whole step, router losses over all of its rows, with the loads of the micro-batches so far.
    /// </summary>
    /// <param name="microBatches">The micro-batches, in order.</param>
    /// <param name="factors">The factors of the losses.</param>
    public StepResult Step(IReadOnlyList<TrainingBatch> microBatches, LossFactors factors)
    {
        ZeroGradients();
        return AddGradients(microBatches, factors);
    }

    /// <summary>Runs one micro-batch, a step of its own, forward and backward and adds its gradients.</summary>
    public TrainingLosses ForwardBackward(TrainingBatch batch, LossFactors factors) => AddGradients([batch], factors).Losses;

    /// <summary>Runs a batch forward only.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="rowLosses">
    /// If not empty, the cross-entropy of every row of the trunk [rows · length], 0 without a label: minus the log-probability
    /// that sampling gives the label.
    /// </param>
    public EvaluationResult Evaluate(TrainingBatch batch, Span<float> rowLosses = default)
    {
        (_tape.IsRecording, _tape.CountsLoads) = (false, false);
        _tape.WeightsChanged();
        try
        {
            bool withMtp = HasMtpRows(batch);
            var (states, beforeNorm) = Trunk(batch, withMtp);
            HeadLoss main = _tape.HeadCrossEntropy(states, _weights.Head, Targets(batch.Labels), 1, rowLosses), mtp = default;
            if (withMtp)
            {
                Tensor own = MtpInput(batch, beforeNorm ?? states, out Tensor targets);
                mtp = _tape.HeadCrossEntropy(Mtp(batch, own), _weights.Head, targets, 1);
            }
            return new EvaluationResult(
                main.CrossEntropy, batch.CountedRows, main.Correct, mtp.CrossEntropy, withMtp ? batch.CountedMtpRows : 0, mtp.Correct);
        }
        finally
        {
            EndMicroBatch();
        }
    }

    internal StepResult AddGradients(IReadOnlyList<TrainingBatch> microBatches, LossFactors factors)
    {
        StepSums sums = new(microBatches, _weights.Mtp is not null);
        (_tape.BalanceLoss, _tape.RouterZLoss) = (factors.Balance, factors.RouterZ);
        _tape.BeginStep();
        _tape.WeightsChanged();
        foreach (TrainingBatch batch in microBatches)
        {
            try
            {
                SetRouterRows(sums);
                AddGradients(batch, factors, sums);
            }
            finally
            {
                EndMicroBatch();
            }
        }
        return new StepResult(
            new TrainingLosses(sums.Main, sums.Mtp, sums.Balance, sums.RouterZ, sums.Extra),
            _options.Trained == TrainedPart.Whole ? sums.MainCrossEntropy / sums.CountedRows : double.NaN,
            sums.MtpCrossEntropy / sums.MtpRows, sums.Tokens, sums.CountedRows, sums.MtpRows, sums.MtpAccepted,
            [.. _tape.Routers.Select(router => router.Loads.Span<int>().ToArray())]);
    }

    private void AddGradients(TrainingBatch batch, LossFactors factors, StepSums sums)
    {
        bool withMtp = HasMtpRows(batch), whole = _options.Trained == TrainedPart.Whole;
        _tape.IsRecording = whole;
        var (states, beforeNorm) = Trunk(batch, withMtp);
        if (whole)
        {
            HeadLoss main = _tape.HeadCrossEntropy(states, _weights.Head, Targets(batch.Labels), Mean(1, sums.CountedRows));
            sums.Main += main.Loss;
            sums.MainCrossEntropy += main.CrossEntropy;
            foreach (LossTerm term in LossTerms)
                sums.Extra += term(_tape, new LossTermInput(states, batch, sums.CountedRows));
        }
        if (withMtp)
        {
            Tensor own = MtpInput(batch, beforeNorm ?? states, out Tensor targets);
            if (!whole)
            {
                _workspace.Release(states);
                if (beforeNorm is not null)
                    _workspace.Release(beforeNorm);
            }
            _tape.IsRecording = true;
            HeadLoss mtp = _tape.HeadCrossEntropy(Mtp(batch, own), _weights.Head, targets, Mean(factors.Mtp, sums.MtpRows));
            sums.Mtp += mtp.Loss;
            sums.MtpCrossEntropy += mtp.CrossEntropy;
            sums.MtpAccepted += mtp.Correct;
        }
        var (balance, z) = _tape.Backward();
        sums.Balance += balance;
        sums.RouterZ += z;
    }

    private bool HasMtpRows(TrainingBatch batch) => _weights.Mtp is not null && batch.Length > 1;

    private static float Mean(float factor, long rows) => rows == 0 ? 0 : factor / rows;

    // The MTP head's router is the last one and sees fewer rows.
    private void SetRouterRows(StepSums sums)
    {
        int trunk = Configuration.MlpLayerTypes.Count(kind => kind == MlpKind.Sparse);
        for (int i = 0; i < _tape.Routers.Count; i++)
            _tape.Routers[i].StepRows = i < trunk ? sums.Tokens : sums.MtpTokens;
    }

    private void EndMicroBatch()
    {
        _tape.Clear();
        _workspace.Reset();
        _cache?.Clear();
        (_tape.IsRecording, _tape.CountsLoads) = (true, true);
    }

    /// <summary>What the micro-batches of a step add up to.</summary>
    private sealed class StepSums
    {
        public StepSums(IReadOnlyList<TrainingBatch> microBatches, bool withMtp)
        {
            foreach (TrainingBatch batch in microBatches)
            {
                Tokens += batch.Ids.Count;
                CountedRows += batch.CountedRows;
                MtpTokens += withMtp ? batch.Ids.Count - batch.Rows : 0;
                MtpRows += withMtp ? batch.CountedMtpRows : 0;
            }
        }

        public long Tokens { get; }
        public long CountedRows { get; }
        public long MtpTokens { get; }
        public long MtpRows { get; }
        public long MtpAccepted { get; set; }
        public double Main { get; set; }
        public double MainCrossEntropy { get; set; }
        public double Mtp { get; set; }
        public double MtpCrossEntropy { get; set; }
        public double Balance { get; set; }
        public double RouterZ { get; set; }
        public double Extra { get; set; }
    }
}
