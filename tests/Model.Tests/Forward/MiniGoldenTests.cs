using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Model.Tests;

/// <summary>The small trained checkpoint: text in, text out, and losses over its validation rows.</summary>
[Collection(ModelCollection.Name)]
public sealed class MiniGoldenTests
{
    // The goldens' README: relative L2 error of logits, relative error of losses.
    private const double LogitTolerance = 2e-5;
    private const double LossTolerance = 1e-5;
    private const string Folder = "mini";

    private static readonly GoldenTensors s_golden = GoldenTensors.Load(Folder, "expected.safetensors");

    private static JsonElement Expected { get; } =
        JsonDocument.Parse(File.ReadAllBytes(GoldenFolder.Find(Folder, "expected.json"))).RootElement;

    public static IEnumerable<object[]> Prompts() =>
        from index in Enumerable.Range(0, Expected.GetProperty("prompts").GetArrayLength())
        from backEnd in TestModels.BackEnds
        select new object[] { index, backEnd };

    [Theory]
    [MemberData(nameof(Prompts))]
    public void Ids_logits_and_text_are_the_references(int index, string backEnd)
    {
        Mellum mellum = TestModels.Get(Folder, backEnd);
        JsonElement prompt = Expected.GetProperty("prompts")[index];
        int[] ids = s_golden.Integers($"p{index}.ids"), greedy = s_golden.Integers($"p{index}.greedy");
        Assert.Equal(ids, mellum.Tokenizer.Encode(prompt.GetProperty("prompt").GetString()!, EncodeOptions.Prompt));
        ForwardRun run = ForwardRun.Of(mellum.Model, ids);
        Near(run.LogitValues, s_golden.Singles($"p{index}.logits"));
        Near(run.MtpLogits, s_golden.Singles($"p{index}.mtp_logits"));
        int[] got = Decoding.Greedy(mellum.Model, ids, greedy.Length);
        Assert.Equal(greedy, got);
        Assert.StartsWith(mellum.Tokenizer.Decode(got), prompt.GetProperty("text").GetString()!, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Prompts))]
    public void The_mtp_heads_acceptance_is_the_references(int index, string backEnd)
    {
        MellumModel model = TestModels.Get(Folder, backEnd).Model;
        int[] ids = s_golden.Integers($"p{index}.ids"), greedy = s_golden.Integers($"p{index}.greedy");
        int[] sequence = [.. ids, .. greedy];
        ForwardRun run = ForwardRun.Of(model, sequence);
        int vocabulary = model.Configuration.VocabularySize, right = 0, steps = greedy.Length - 1;
        for (int i = 0; i < steps; i++)
        {
            // Row i of the head takes state i and token i + 1 and drafts token i + 2.
            int row = ids.Length - 1 + i;
            ReadOnlySpan<float> logits = run.MtpLogits.AsSpan(row * vocabulary, vocabulary);
            right += IndexOfMax(logits) == sequence[row + 2] ? 1 : 0;
        }
        double want = Expected.GetProperty("prompts")[index].GetProperty("mtp_acceptance").GetDouble();
        Assert.Equal(want, (double)right / steps, 1e-9);
    }

    [Fact]
    public void Validation_losses_are_the_references()
    {
        JsonElement validation = Expected.GetProperty("validation");
        Mellum mellum = TestModels.Get(Folder, "simd");
        int[] all = s_golden.Integers("val.ids");
        const int rowLength = 256;
        double loss = 0, mtpLoss = 0;
        int count = 0, mtpCount = 0;
        long bytes = 0;
        for (int start = 0; start < all.Length; start += rowLength)
        {
            int[] row = all[start..(start + rowLength)];
            ForwardRun run = ForwardRun.Of(mellum.Model, row);
            for (int i = 0; i + 1 < row.Length; i++, count++)
            {
                bytes += mellum.Tokenizer.Bytes(row[i + 1]).Length;
                loss += CrossEntropy(run.LogitValues, i, row[i + 1], mellum.Model.Configuration.VocabularySize);
            }
            for (int i = 0; i + 2 < row.Length; i++, mtpCount++)
                mtpLoss += CrossEntropy(run.MtpLogits, i, row[i + 2], mellum.Model.Configuration.VocabularySize);
        }
        Relative(validation.GetProperty("loss").GetDouble(), loss / count);
        Relative(validation.GetProperty("bits_per_byte").GetDouble(), loss / Math.Log(2) / bytes);
        Relative(validation.GetProperty("mtp_loss").GetDouble(), mtpLoss / mtpCount);
    }

    private static int IndexOfMax(ReadOnlySpan<float> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
            if (values[i] > values[best])
                best = i;
        return best;
    }

    private static double CrossEntropy(float[] logits, int row, int target, int vocabulary)
    {
        ReadOnlySpan<float> values = logits.AsSpan(row * vocabulary, vocabulary);
        double maximum = double.NegativeInfinity, sum = 0;
        foreach (float value in values)
            maximum = Math.Max(maximum, value);
        foreach (float value in values)
            sum += Math.Exp(value - maximum);
        return maximum + Math.Log(sum) - values[target];
    }

    private static void Relative(double want, double got) =>
        Assert.True(Math.Abs(got - want) <= LossTolerance * want, $"got {got}, want {want}");

    private static void Near(float[] got, float[] lastRows)
    {
        double error = GoldenTensors.RelativeError(got.AsSpan(got.Length - lastRows.Length), lastRows);
        Assert.True(error <= LogitTolerance, $"relative error {error:G3}");
    }
}
