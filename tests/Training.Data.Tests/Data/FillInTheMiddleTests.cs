using FsCheck;
using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Data.Tests;

/// <summary>A rearranged document is the document, in three parts.</summary>
public sealed class FillInTheMiddleTests
{
    private static readonly int s_prefix = Id("<fim_prefix>"), s_middle = Id("<fim_middle>"), s_suffix = Id("<fim_suffix>"), s_end = Id("<|endoftext|>");

    [Property(MaxTest = 300)]
    public void The_parts_give_the_document(NonNull<string> given, ulong seed, uint document, bool suffixFirst)
    {
        string text = given.Get.Replace("\uFFFE", "", StringComparison.Ordinal) + "Ünï 😀";
        int[] ids = [.. TestData.Tokenizer.Encode(text), s_end];
        FillInTheMiddleTransform transform = new(TestData.Tokenizer, 1, suffixFirst ? 1 : 0, seed);
        List<int> output = [], again = [];
        FillInTheMiddleOrder order = transform.Apply(document, ids, output);
        Assert.Equal(suffixFirst ? FillInTheMiddleOrder.SuffixPrefixMiddle : FillInTheMiddleOrder.PrefixSuffixMiddle, order);
        Assert.Equal(s_end, output[^1]);
        int prefix = output.IndexOf(s_prefix), middle = output.IndexOf(s_middle), suffix = output.IndexOf(s_suffix);
        Assert.Equal(0, suffixFirst ? suffix : prefix);
        Assert.True(suffixFirst ? prefix < middle : suffix < middle);
        string Part(int from, int to) => TestData.Tokenizer.Decode(output.ToArray().AsSpan(from + 1, to - from - 1));
        string p = Part(prefix, suffixFirst ? middle : suffix), s = Part(suffix, suffixFirst ? prefix : middle), m = Part(middle, output.Count - 1);
        Assert.Equal(TestData.Tokenizer.Decode(ids.AsSpan(0, ids.Length - 1)), p + m + s);
        transform.Apply(document, ids, again);
        Assert.Equal(output, again);
    }

    [Fact]
    public void Rate_order_and_cuts_have_their_distribution()
    {
        const int documents = 4000;
        int[] ids = [.. TestData.Tokenizer.Encode("0123456789"), s_end];
        FillInTheMiddleTransform transform = new(TestData.Tokenizer, 0.5, 0.5, 7);
        Dictionary<FillInTheMiddleOrder, int> orders = [];
        int[] middles = new int[11];
        int likeNeighbour = 0;
        FillInTheMiddleOrder last = FillInTheMiddleOrder.None;
        for (int document = 0; document < documents; document++)
        {
            List<int> output = [];
            FillInTheMiddleOrder order = transform.Apply(document, ids, output);
            likeNeighbour += order == last ? 1 : 0;
            last = order;
            orders[order] = orders.GetValueOrDefault(order) + 1;
            if (order != FillInTheMiddleOrder.None)
                middles[output.Count - 2 - output.IndexOf(s_middle)]++;
        }
        Assert.InRange(orders[FillInTheMiddleOrder.None], 1900, 2100);
        Assert.InRange(orders[FillInTheMiddleOrder.PrefixSuffixMiddle], 900, 1100);
        // Neighbours are independent: ½·½ + ¼·¼ + ¼·¼ of them are treated alike.
        Assert.InRange(likeNeighbour, 1380, 1620);
        // Two uniform places of eleven: |difference| is 0 with 11/121 and d with 2(11 − d)/121.
        int cut = documents - orders[FillInTheMiddleOrder.None];
        double chi = 0;
        for (int d = 0; d <= 10; d++)
        {
            double expected = cut * (d == 0 ? 11 : 2.0 * (11 - d)) / 121;
            chi += (middles[d] - expected) * (middles[d] - expected) / expected;
        }
        Assert.True(chi < 29.6, $"χ² is {chi} with 10 degrees of freedom."); // p = 0.001
    }

    [Fact]
    public void A_rate_of_zero_changes_nothing_and_a_tokenizer_without_the_tokens_is_refused()
    {
        List<int> output = [];
        Assert.Equal(FillInTheMiddleOrder.None, new FillInTheMiddleTransform(TestData.Tokenizer, 0, 0, 1).Apply(0, [40, 41, s_end], output));
        Assert.Equal([40, 41, s_end], output);
        Tokenizer other = Tokenizer.Load(Managed.Tests.GoldenFolder.Find("tokenizer", "qwen-style-600", "tokenizer.json"));
        Assert.Contains("<fim_prefix>", Assert.Throws<InvalidInputException>(() => new FillInTheMiddleTransform(other, 1, 0, 1)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Packed_documents_are_rearranged_the_same_whatever_the_threads()
    {
        using TestFolder folder = new();
        TokenizingOptions tokenizing = new() { Sources = new SourceOptions { Extensions = [".cs"] } };
        string documents = folder.NewPath(), one = folder.NewPath(), many = folder.NewPath();
        CorpusReport corpus = CorpusTokenizer.Run(TestData.Tokenizer, SourceFile.List([TestData.Sources], tokenizing.Sources), documents, tokenizing);
        using TokenDataset source = TokenDataset.Open(documents);
        PackingOptions options = new()
        {
            SequenceLength = 256,
            FillInTheMiddle = new FillInTheMiddleTransform(TestData.Tokenizer, 0.5, 0.5, 3),
            Threads = 1,
        };
        PackingReport report = DatasetPacker.Run(source, one, options);
        DatasetPacker.Run(source, many, options with { Threads = 4 });
        Assert.Equal(TestData.Content(one), TestData.Content(many));
        Assert.True(report.PrefixSuffixMiddle > 0 && report.SuffixPrefixMiddle > 0);
        using TokenDataset packed = TokenDataset.Open(one);
        long middles = 0, ends = 0, bytes = 0;
        for (long sample = 0; sample < packed.Count; sample++)
            foreach (int id in packed.Read(sample))
            {
                middles += id == s_middle ? 1 : 0;
                ends += id == s_end ? 1 : 0;
                bytes += TestData.Tokenizer.IsSpecial(id) ? 0 : TestData.Tokenizer.Bytes(id).Length;
            }
        Assert.Equal(0, report.DroppedSamples);
        Assert.Equal(report.PrefixSuffixMiddle + report.SuffixPrefixMiddle, middles);
        Assert.Equal(source.Count, ends);
        Assert.Equal(corpus.Bytes, bytes);
    }

    private static int Id(string token) => TestData.Tokenizer.TryGetId(token, out int id) ? id : throw new InvalidOperationException(token);
}
