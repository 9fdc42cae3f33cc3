using FsCheck;
using FsCheck.Xunit;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training.Data.Tests;

/// <summary>Packing loses nothing, and labels stay inside their documents.</summary>
public sealed class PackingTests
{
    [Property(MaxTest = 300)]
    public void Every_token_is_in_exactly_one_sample(ushort[] seed, byte roomSeed)
    {
        int room = 2 + roomSeed % 60;
        int[] lengths = [.. seed.Select(length => length % 200)];
        PackingPlan plan = BestFitPacker.Plan(lengths, room);
        HashSet<(int, int)> seen = [];
        for (int sample = 0; sample < plan.Count; sample++)
        {
            int sum = 0;
            foreach (PackedPiece piece in plan[sample])
            {
                Assert.True(piece.Length > 0);
                // A document that fits is never cut.
                Assert.True(lengths[piece.Document] > room || (piece.From == 0 && piece.Length == lengths[piece.Document]));
                for (int i = 0; i < piece.Length; i++)
                    Assert.True(seen.Add((piece.Document, piece.From + i)));
                sum += piece.Length;
            }
            Assert.InRange(sum, 1, room);
        }
        Assert.Equal(lengths.Sum(), seen.Count);
        Assert.All(seen, token => Assert.InRange(token.Item2, 0, lengths[token.Item1] - 1));
    }

    [Property(MaxTest = 200)]
    public void Each_rest_goes_where_the_least_room_is(ushort[] seed, byte roomSeed)
    {
        int room = 2 + roomSeed;
        int[] lengths = [.. seed.Select(length => 1 + length % room)];
        // The definition, in quadratic time; of equal rooms the sample that got its last piece latest.
        List<(int Left, int Touched, List<int> Documents)> bins = [];
        foreach (int document in Enumerable.Range(0, lengths.Length).Where(i => lengths[i] < room).OrderByDescending(i => lengths[i]))
        {
            int touched = bins.Sum(bin => bin.Documents.Count);
            int best = -1;
            for (int i = 0; i < bins.Count; i++)
                if (bins[i].Left >= lengths[document] && (best < 0 || (bins[i].Left, -bins[i].Touched).CompareTo((bins[best].Left, -bins[best].Touched)) < 0))
                    best = i;
            if (best < 0)
            {
                best = bins.Count;
                bins.Add((room, 0, []));
            }
            bins[best].Documents.Add(document);
            bins[best] = (bins[best].Left - lengths[document], touched, bins[best].Documents);
        }
        PackingPlan plan = BestFitPacker.Plan(lengths, room);
        List<List<int>> actual = [];
        for (int sample = 0; sample < plan.Count; sample++)
            if (plan[sample][0].Length < room)
                actual.Add([.. plan[sample].ToArray().Select(piece => piece.Document)]);
        Assert.Equal(bins.Select(bin => bin.Documents), actual);
    }

    [Property(MaxTest = 200)]
    public void The_index_of_rooms_finds_the_least_that_is_enough(ushort[] operations, ushort largestSeed)
    {
        int largest = 1 + largestSeed % 9000;
        CapacityIndex index = new(largest);
        SortedSet<int> expected = [];
        foreach (int operation in operations)
        {
            int value = operation % (largest + 1);
            if (expected.Add(value))
                index.Add(value);
            else
            {
                expected.Remove(value);
                index.Remove(value);
            }
            foreach (int asked in new[] { 0, value, value + 1, largest, largest / 2 })
            {
                SortedSet<int> above = expected.GetViewBetween(asked, Math.Max(asked, largest));
                Assert.Equal(above.Count > 0 ? above.Min : -1, index.AtLeast(asked));
            }
        }
    }

    [Property(MaxTest = 200)]
    public void Labels_never_cross_the_end_of_a_document(byte[] lengthSeed, byte padding, bool runsOn)
    {
        int[] lengths = [.. lengthSeed.Select(length => 1 + length % 9)];
        int room = lengths.Sum() + padding % 5;
        int[] ids = [.. Enumerable.Range(0, room)], labels = new int[room], mtp = new int[room], positions = new int[room];
        SampleLabels.Fill(ids, lengths, runsOn ? PositionMode.RunOn : PositionMode.Restart, labels, mtp, positions);
        // The document of each token by its number; room behind them belongs to none.
        int[] documents = [.. lengths.SelectMany((length, i) => Enumerable.Repeat(i, length))];
        for (int i = 0; i < room; i++)
        {
            Assert.Equal(Follower(i, 1), labels[i]);
            Assert.Equal(Follower(i, 2), mtp[i]);
            int start = i < documents.Length ? Array.IndexOf(documents, documents[i]) : documents.Length;
            Assert.Equal(runsOn ? i : i - start, positions[i]);
        }
        int Follower(int i, int distance) => i + distance < documents.Length && documents[i] == documents[i + distance] ? ids[i + distance] : SampleLabels.Masked;
    }

    [Property(MaxTest = 40)]
    public void What_is_packed_is_what_was_there_less_what_is_dropped(byte[] lengthSeed, byte roomSeed, byte unique)
    {
        int room = 2 + roomSeed % 30, next = 0;
        int[][] documents = [.. lengthSeed.Select(length => Enumerable.Range(0, 1 + length % 70).Select(_ => next++ * 7919 % 97).ToArray())];
        using TestFolder folder = new();
        using TokenDataset source = TokenDataset.Open(folder.WriteDocuments(documents, TestData.Small, 50));
        PackingOptions options = new() { SequenceLength = room, LeastUnique = 1 + unique % room, TokensPerShard = 64, Threads = 1 };
        string target = folder.NewPath(), parallel = folder.NewPath();
        PackingReport report;
        try
        {
            report = DatasetPacker.Run(source, target, options);
        }
        catch (InvalidInputException e)
        {
            Assert.Contains("gives no sample", e.Message, StringComparison.Ordinal);
            return;
        }
        DatasetPacker.Run(source, parallel, options with { Threads = 3 });
        Assert.Equal(TestData.Content(target), TestData.Content(parallel));
        using TokenDataset packed = TokenDataset.Open(target);
        Assert.Equal(report.Samples, packed.Count);
        Assert.Equal(report.Tokens, packed.TokenCount);
        Assert.Equal(source.TokenCount, report.Tokens + report.DroppedTokens);
        List<int> tokens = [];
        for (long sample = 0; sample < packed.Count; sample++)
        {
            int[] ids = packed.Read(sample);
            Assert.True(ids.Distinct().Count() >= options.LeastUnique);
            List<int> segments = [];
            packed.SegmentLengths(sample, segments);
            Assert.Equal(ids.Length, segments.Sum());
            tokens.AddRange(ids);
        }
        if (report.DroppedSamples == 0)
            Assert.Equal(documents.SelectMany(document => document).Order(), tokens.Order());
    }

    [Fact]
    public void The_least_number_of_different_tokens_grows_with_the_length()
    {
        Assert.Equal(82, SampleLabels.LeastUnique(8192));
        Assert.Equal(10, SampleLabels.LeastUnique(1024));
        Assert.Equal(1, SampleLabels.LeastUnique(2));
    }
}
