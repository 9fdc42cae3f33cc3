using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Tests.Examples;

internal static class TrainingLoopExample
{
    public static List<double> Run(string folder, string file, int steps)
    {
        List<double> losses = [];
        // <example name="loop">
        ModelConfiguration shape = ModelConfiguration.Load(folder).WithLayers(2);
        using WorkerPool pool = new(2);
        using TrainingModel model = new(shape, new InitialWeights(shape, seed: 1), withMtp: false, SimdKernels.Create(pool));
        model.LossTerms.Add(SmallStates);
        Lion lion = new(model.Parameters);
        int[] text = Tokenizer.Load(folder).Encode(File.ReadAllText(file));
        for (int step = 0; step < steps; step++)
        {
            TrainingBatch batch = Rows(text, first: step * 256, rows: 4, length: 64);
            StepResult result = model.Step([batch], new LossFactors(Mtp: 0, Balance: 1e-3f, RouterZ: 1e-3f));
            lion.Step(learningRate: 1e-3f);
            losses.Add(result.MainCrossEntropy);
        }
        // </example>
        return losses;
    }

    // <example name="loop-term">
    /// <summary>L = w·mean(h²) over the states after the final norm, so dL/dh = 2w·h/count.</summary>
    private static double SmallStates(Tape tape, LossTermInput input)
    {
        const float Weight = 1e-3f;
        Tensor gradient = tape.Rent(input.States);
        ReadOnlySpan<float> h = input.States.Span<float>();
        Span<float> d = gradient.Span<float>();
        double squares = 0;
        for (int i = 0; i < h.Length; i++)
        {
            squares += h[i] * h[i];
            d[i] = 2 * Weight * h[i] / h.Length;
        }
        tape.AddGradient(input.States, gradient);
        return Weight * squares / h.Length;
    }
    // </example>

    // <example name="loop-optimizer">
    /// <summary>Lion (arXiv:2302.06675): the sign of a momentum that looks one step ahead.</summary>
    private sealed class Lion(IReadOnlyList<OptimizerParameter> parameters)
    {
        private readonly float[][] _momenta = [.. parameters.Select(parameter => new float[parameter.Weight.Count])];

        public void Step(float learningRate)
        {
            for (int p = 0; p < _momenta.Length; p++)
            {
                Span<float> w = parameters[p].Weight.Span<float>(), g = parameters[p].Gradient.Span<float>(), m = _momenta[p];
                for (int i = 0; i < w.Length; i++)
                {
                    w[i] -= learningRate * MathF.Sign(0.9f * m[i] + 0.1f * g[i]);
                    m[i] = 0.99f * m[i] + 0.01f * g[i];
                }
            }
        }
    }
    // </example>

    // <example name="loop-batch">
    private static TrainingBatch Rows(int[] text, int first, int rows, int length)
    {
        int[] From(int start) => [.. Enumerable.Range(0, rows * length).Select(i => text[(first + start + i) % text.Length])];
        return new TrainingBatch(length, Ids: From(0), Labels: From(1), MtpLabels: From(2));
    }
    // </example>
}
