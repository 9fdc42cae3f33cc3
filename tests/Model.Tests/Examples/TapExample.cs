using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model.Tests.Examples;

internal static class TapExample
{
    public static double[] Run(string folder)
    {
        // <example name="watch">
        using Mellum mellum = Mellum.Load(folder);
        StreamNorms norms = new(mellum.Model.Configuration.LayerCount);
        mellum.Model.Context.Tap = norms;
        mellum.Generate("namespace Orleans", new() { MaxTokens = 1 });
        // </example>
        return norms.Rms;
    }

    public static (string With, string Without) Ablate(string folder)
    {
        // <example name="ablate">
        using Mellum mellum = Mellum.Load(folder);
        string with = mellum.Generate("if (value == null)", new() { MaxTokens = 24 }).Text;
        mellum.Model.Context.Tap = new WithoutExpert(layer: 2, expert: 5);
        string without = mellum.Generate("if (value == null)", new() { MaxTokens = 24 }).Text;
        // </example>
        return (with, without);
    }

    // <example name="watch-tap">
    private sealed class StreamNorms(int layers) : ForwardTap
    {
        public double[] Rms { get; } = new double[layers];

        public override void Residual(int layer, Tensor stream)
        {
            if (layer < 0 || layer >= layers)
                return; // the embedding is layer −1, the MTP layer is the last
            double squares = 0;
            foreach (float value in stream.Span<float>())
                squares += value * value;
            Rms[layer] = Math.Sqrt(squares / stream.Count);
        }
    }
    // </example>

    // <example name="ablate-tap">
    private sealed class WithoutExpert(int layer, int expert) : ForwardTap
    {
        public override void RouterLogits(int at, Tensor logits)
        {
            if (at != layer)
                return;
            for (int token = 0; token < logits.Rows; token++)
                logits.Span<float>()[token * logits.Columns + expert] = float.NegativeInfinity;
        }
    }
    // </example>
}
