using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>
/// Balances experts without a loss (Wang et al., arXiv 2408.15664): after each step b_e ← b_e + γ·sign(mean load − load_e), where
/// b is added to the router's probabilities for the choice of experts and not for their weights. The model needs
/// <see cref="TrainingModelOptions.RouterBias"/>; one that was trained so also chooses with it in inference.
/// </summary>
/// <param name="rate">γ; the paper's is 0.001.</param>
public sealed class LoadBalancingBias(double rate = 0.001)
{
    /// <summary>Moves the biases of a model by the loads of the step that it has just taken.</summary>
    /// <param name="model">The model.</param>
    /// <param name="step">The step's result.</param>
    /// <exception cref="InvalidInputException">The model's routers have no biases.</exception>
    public void Update(TrainingModel model, StepResult step)
    {
        if (model.RouterBiases.Count != step.ExpertLoads.Count)
            throw new InvalidInputException(
                $"The step has the loads of {step.ExpertLoads.Count} routers, but {model.RouterBiases.Count} have a bias (TrainingModelOptions.RouterBias).");
        for (int router = 0; router < step.ExpertLoads.Count; router++)
        {
            int[] loads = step.ExpertLoads[router];
            double mean = (double)loads.Sum(load => (long)load) / loads.Length;
            for (int e = 0; e < loads.Length; e++)
                Add(model.RouterBiases[router], e, rate * Math.Sign(mean - loads[e]));
        }
    }

    private static void Add(Tensor bias, int expert, double change)
    {
        if (bias.Type == DType.F64)
            bias.Span<double>()[expert] += change;
        else
            bias.Span<float>()[expert] = (float)(bias.Span<float>()[expert] + change);
    }
}
