using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Tests;

/// <summary>Continued training of a base model whose layers of full attention are extended.</summary>
public sealed class LongContextTests
{
    [Fact]
    public void A_base_model_goes_on_with_YaRN_on_its_layers_of_full_attention()
    {
        ModelConfiguration unextended = TrainingShapes.Tiny with { MaximumPositions = 16 };
        ModelConfiguration extended = unextended with
        {
            MaximumPositions = 64,
            FullRope = unextended.FullRope! with { Yarn = new YarnConfiguration(4, unextended.MaximumPositions, 32, 1, null) },
        };
        using WorkerPool pool = new(2);
        IOptimizerKernels kernels = (IOptimizerKernels)SimdKernels.Create(pool);
        TrainingBatch longer = TrainingShapes.Batch(1, 2, 64);
        Assert.NotEqual(First(unextended with { MaximumPositions = 64 }), First(extended));

        using TrainingModel model = TrainingShapes.Create(extended, (ITrainingKernels)kernels);
        using TrainingOptimizer optimizer = new(
            kernels, ParameterGroups.For(extended, true), [.. model.Parameters], new TrainingOptimizerOptions(new MuonOptions(), new AdamWOptions()));
        double before = First(extended), after = before;
        for (int step = 0; step < 10; step++)
        {
            after = model.Step([longer], TrainingShapes.Factors).MainCrossEntropy;
            optimizer.Step(3e-3);
        }
        Assert.True(after < before - 0.3, $"from {before} to {after}");

        double First(ModelConfiguration configuration)
        {
            using TrainingModel fresh = TrainingShapes.Create(configuration, (ITrainingKernels)kernels);
            return fresh.Step([longer], TrainingShapes.Factors).MainCrossEntropy;
        }
    }

    [Fact]
    public void First_weights_follow_from_seed_name_and_place_alone()
    {
        ModelConfiguration shape = TrainingShapes.Tiny with { InitializerRange = 0.05 };
        float[] Draw(ulong seed, string name, int rows = 400)
        {
            using WeightMatrix matrix = new InitialWeights(shape, seed).OpenMatrix(name, rows, 100);
            return matrix.Data.Span<float>().ToArray();
        }
        const string Query = "model.layers.1.self_attn.q_proj.weight", Output = "model.layers.1.self_attn.o_proj.weight";
        Assert.Equal(Draw(1, Query), Draw(1, Query));
        Assert.Equal(Draw(1, Query, 10), Draw(1, Query)[..1000]);
        Assert.NotEqual(Draw(1, Query), Draw(2, Query));
        Assert.NotEqual(Draw(1, Query), Draw(1, "model.layers.2.self_attn.q_proj.weight"));
        static double Deviation(float[] values) => Math.Sqrt(values.Average(value => (double)value * value));
        Assert.Equal(0.05, Deviation(Draw(1, Query)), 0.001);
        Assert.Equal(0.05 / Math.Sqrt(6), Deviation(Draw(1, Output)), 0.0005);
        Assert.Equal(0.05, Deviation(Draw(1, "mtp.layers.0.self_attn.o_proj.weight")), 0.001);
        using Tensor norm = new InitialWeights(shape, 1).OpenVector("model.norm.weight", 5);
        Assert.All(norm.Span<float>().ToArray(), value => Assert.Equal(1, value));
    }
}
