using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Model.Tests;

/// <summary>
/// Greedy output is the same with drafts as without, whoever drafts and however many; for every golden prompt, far past
/// the windows of every model, so that rings wrap around while drafts are taken back.
/// </summary>
[Collection(ModelCollection.Name)]
public sealed class SpeculationGoldenTests
{
    private const int Tokens = 90;

    public static IEnumerable<object[]> Cases()
    {
        foreach (string folder in Directory.GetDirectories(GoldenFolder.Find("models")).Append(GoldenFolder.Find("mini")))
        {
            string model = Path.GetRelativePath(GoldenFolder.Root, folder).Replace('\\', '/');
            GoldenTensors golden = GoldenTensors.Load(folder, "expected.safetensors");
            foreach (string ids in golden.Names.Where(name => name.EndsWith(".ids", StringComparison.Ordinal) && golden.Shape(name)[0] < 1000))
                yield return [model, ids];
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Drafts_never_change_greedy_output(string folder, string ids)
    {
        MellumModel model = TestModels.Get(folder, "simd").Model;
        int vocabulary = model.Configuration.VocabularySize;
        int[] prompt = GoldenTensors.Load([.. folder.Split('/'), "expected.safetensors"]).Integers(ids);
        int count = Math.Min(Tokens, model.Configuration.MaximumPositions - prompt.Length);
        int[] plain = Decoding.Greedy(model, prompt, count);
        Assert.Equal(count, plain.Length);
        int[] sequence = [.. prompt, .. plain];
        for (int drafts = 1; drafts <= 5; drafts++)
        {
            SpeculationOptions Options(DraftKind kind) => new(kind, drafts);
            if (model.HasMtp)
                Assert.Equal(plain, Decoding.Greedy(model, prompt, count, 64, Options(DraftKind.Mtp)));
            Assert.Equal(plain, Decoding.Greedy(model, prompt, count, 64, Options(DraftKind.Lookup)));
            Assert.Equal(plain, Decoding.Greedy(model, prompt, count, 64, Options(DraftKind.None), (_, _) => new OracleDrafter(sequence)));
            Assert.Equal(
                plain, Decoding.Greedy(model, prompt, count, 64, Options(DraftKind.None), (_, _) => new HostileDrafter(sequence, vocabulary)));
            Assert.Equal(
                plain, Decoding.Greedy(model, prompt, count, 64, Options(DraftKind.None), (_, _) => new RandomDrafter(sequence, vocabulary, 1)));
        }
    }
}
