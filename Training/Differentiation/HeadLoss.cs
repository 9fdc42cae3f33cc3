namespace Mellum2.Managed.Training;

/// <summary>What <see cref="Tape.HeadCrossEntropy"/> found.</summary>
/// <param name="Loss">scale · Σ ce over the rows that count.</param>
/// <param name="CrossEntropy">Σ ce, in float64 over the rows' values.</param>
/// <param name="Correct">The rows whose target is the arg max of the logits.</param>
public readonly record struct HeadLoss(double Loss, double CrossEntropy, long Correct);
