using System.Text.Json;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli.Tests;

/// <summary><c>mellum2 eval</c> over the small checkpoint's validation rows.</summary>
public sealed class EvalGoldenTests
{
    // The goldens' README: relative error of losses, and the tokens of a row, each a sequence of its own.
    private const double LossTolerance = 1e-5;
    private const int RowLength = 256;
    private const string Folder = "mini";

    [Theory]
    [InlineData]
    [InlineData("--reference")]
    public void Losses_and_bits_per_byte_are_the_references(params string[] options)
    {
        using TemporaryFolder folder = new();
        string packed = Path.Combine(folder.Path, "packed"), model = GoldenFolder.Find(Folder);
        int[] ids = GoldenTensors.Load(Folder, "expected.safetensors").Integers("val.ids");
        Tokenizer tokenizer = Tokenizer.Load(Path.Combine(model, "tokenizer.json"));
        using (ShardWriter writer = new(packed, VocabularyIdentity.Of(tokenizer), RowLength, 0, 1 << 20))
        {
            for (int first = 0; first < ids.Length; first += RowLength)
                writer.AddSample(ids.AsSpan(first, RowLength), [RowLength]);
            writer.Commit();
        }
        JsonElement json = CommandRun.Of(["eval", "--model", model, "--packed", packed, "--json", .. options]).Succeeded().Json;
        JsonElement expected = JsonDocument.Parse(File.ReadAllBytes(GoldenFolder.Find(Folder, "expected.json"))).RootElement.GetProperty("validation");
        foreach (string field in (string[])["loss", "mtp_loss", "bits_per_byte"])
        {
            double want = expected.GetProperty(field).GetDouble(), got = json.GetProperty(field).GetDouble();
            Assert.True(Math.Abs(got - want) <= LossTolerance * want, $"{field}: got {got}, want {want}");
        }
        Assert.Equal(ids.Length - ids.Length / RowLength, json.GetProperty("tokens").GetInt64());
    }
}
