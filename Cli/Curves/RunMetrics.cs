namespace Mellum2.Managed.Cli;

/// <summary>A training step as its run's metrics tell it; NaN stands for what they leave out.</summary>
/// <param name="Step">The step, from 1.</param>
/// <param name="Tokens">The tokens up to and with it.</param>
/// <param name="Loss">The mean cross-entropy of the trunk; where there is none, what is minimised.</param>
/// <param name="MtpLoss">The mean cross-entropy of the MTP head.</param>
/// <param name="MtpAcceptance">The share of rows in which the head's most probable token is the label.</param>
/// <param name="GradientNorm">The norm of all gradients before they were clipped.</param>
/// <param name="LearningRate">The learning rate.</param>
/// <param name="Load">For each router the largest share of an expert, times the number of experts; null without routers.</param>
internal sealed record StepPoint(
    long Step, double Tokens, double Loss, double MtpLoss, double MtpAcceptance, double GradientNorm, double LearningRate, double[]? Load);

/// <summary>An evaluation as its run's metrics tell it; NaN stands for what they leave out.</summary>
/// <param name="Step">The step that it stands behind.</param>
/// <param name="Tokens">The tokens up to that step; NaN where the metrics have no such step.</param>
/// <param name="Loss">The mean cross-entropy of the trunk.</param>
/// <param name="MtpLoss">That of the MTP head.</param>
/// <param name="BitsPerByte">The loss in bits for each byte of text.</param>
/// <param name="Accuracy">The share of rows in which the most probable token is the next one.</param>
/// <param name="MtpAcceptance">The same of the MTP head.</param>
internal sealed record EvaluationPoint(
    long Step, double Tokens, double Loss, double MtpLoss, double BitsPerByte, double Accuracy, double MtpAcceptance);

/// <summary>What a run has reported so far.</summary>
/// <param name="Name">The run's name in legends.</param>
/// <param name="Steps">Its steps, in order.</param>
/// <param name="Evaluations">Its evaluations, in order.</param>
internal sealed record RunMetrics(string Name, IReadOnlyList<StepPoint> Steps, IReadOnlyList<EvaluationPoint> Evaluations);
