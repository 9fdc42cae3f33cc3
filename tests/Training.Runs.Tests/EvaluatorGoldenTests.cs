using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Runs.Tests;

/// <summary>What a run calls validation loss, MTP loss and bits per byte, against the reference's values for the small trained model.</summary>
public sealed class EvaluatorGoldenTests
{
    // The goldens' README: losses relative to the reference's, and the tokens of a row, each a sequence of its own.
    private const double Tolerance = 1e-5;
    private const int RowLength = 256;

    [Fact]
    public void Losses_and_bits_per_byte_of_the_small_model()
    {
        string folder = GoldenFolder.Find("mini");
        Tokenizer tokenizer = Tokenizer.Load(Path.Combine(folder, "tokenizer.json"));
        using TestRun test = new(documents: 0);
        string samples = test.NewPath();
        using (ShardWriter writer = new(samples, VocabularyIdentity.Of(tokenizer), RowLength, 0, 1 << 20))
        {
            foreach (int[] row in GoldenTensors.Load("mini", "expected.safetensors").Integers("val.ids").Chunk(RowLength))
                writer.AddSample(row, [RowLength]);
            writer.Commit();
        }
        using TokenDataset set = TokenDataset.Open(samples);
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        using WorkerPool pool = new(2);
        using TrainingModel model = new(configuration, checkpoint, checkpoint.Validate(configuration), SimdKernels.Create(pool));
        // Three rows at a time: the last micro-batch is smaller.
        EvaluationMetrics metrics = new Evaluator([set], tokenizer, 3, 0, PositionMode.Restart).Run(model, 0, null);
        JsonElement want = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "expected.json"))).RootElement.GetProperty("validation");
        Near(want, "loss", metrics.Loss);
        Near(want, "mtp_loss", metrics.MtpLoss);
        Near(want, "bits_per_byte", metrics.BitsPerByte);
        Assert.True(metrics.IsBest);
        Assert.InRange(metrics.Accuracy, 0.3, 0.9);
    }

    private static void Near(JsonElement want, string name, double got)
    {
        double expected = want.GetProperty(name).GetDouble();
        Assert.True(Math.Abs(got - expected) <= Tolerance * expected, $"{name}: got {got:R}, want {expected:R}");
    }
}
