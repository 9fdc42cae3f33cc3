using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

public class AdamWGoldenTests
{
    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "adamw", MemberType = typeof(BackEnds))]
    public void Follows_the_goldens(string name, string golden)
    {
        IOptimizerKernels kernels = BackEnds.Get(name);
        GoldenCase item = GoldenManifest.Numerics("adamw")[golden];
        if (item.Parameters.TryGetProperty("max_norm", out _))
            Clips(kernels, item);
        else
            Steps(kernels, item);
    }

    private static void Steps(IOptimizerKernels kernels, GoldenCase golden)
    {
        double[] betas = [.. golden.Parameters.GetProperty("betas").EnumerateArray().Select(beta => beta.GetDouble())];
        foreach (string parameter in new[] { "a", "b" })
        {
            using Tensor weight = kernels.Input(golden[parameter + "0"]), gradient = kernels.Zeros(weight.Shape);
            AdamWOptions options = new(betas[0], betas[1], golden.Number("eps"), golden.Number("weight_decay_" + parameter));
            using AdamW optimizer = new(kernels, options, [(new OptimizerParameter(parameter, weight, gradient), true)]);
            int steps = golden.Integer("steps");
            for (int t = 1; t <= steps; t++)
            {
                gradient.WriteSingles(golden[$"g{parameter}{t}"].Singles());
                optimizer.Step(golden.Number("lr"), t);
                golden[$"{parameter}{t}"].Check(weight.Read());
            }
            Dictionary<string, Tensor> state = new(optimizer.State);
            golden[$"{parameter}_m{steps}"].Check(state[parameter + ".mean"].Read());
            golden[$"{parameter}_v{steps}"].Check(state[parameter + ".variance"].Read());
        }
    }

    private static void Clips(IOptimizerKernels kernels, GoldenCase golden)
    {
        List<Tensor> gradients = [];
        for (int i = 0; golden.Has($"g{i}"); i++)
            gradients.Add(kernels.Input(golden[$"g{i}"]));
        Assert.NotEmpty(gradients);
        ClipResult result = GradientClipping.Clip(kernels, gradients, golden.Number("max_norm"));
        golden["norm"].Check((double[])[(float)result.Norm]);
        Assert.Equal(golden.Parameters.GetProperty("skipped").GetBoolean(), result.Skipped);
        if (!result.Skipped)
            golden["coefficient"].Check((double[])[(float)result.Coefficient]);
        for (int i = 0; i < gradients.Count; i++)
        {
            if (result.Skipped)
                Assert.Equal(golden[$"g{i}"].Doubles(), gradients[i].Read());
            else
                golden[$"out{i}"].Check(gradients[i].Read());
            gradients[i].Dispose();
        }
    }
}
