using FsCheck.Xunit;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training.Data.Tests;

/// <summary>What a stream gives does not depend on where it was stopped, nor on reading ahead.</summary>
public sealed class SampleStreamTests
{
    [Property(MaxTest = 200)]
    public void The_shuffle_is_a_bijection(ushort seed, ulong key)
    {
        int count = 1 + seed % 5000;
        FeistelPermutation permutation = new(count, key);
        bool[] seen = new bool[count];
        for (int i = 0; i < count; i++)
        {
            long value = permutation[i];
            Assert.InRange(value, 0, count - 1);
            Assert.False(seen[value]);
            seen[value] = true;
        }
    }

    [Fact]
    public void The_shuffle_of_many_looks_random_and_never_leaves_its_range()
    {
        const long count = (1L << 40) + 12345;
        FeistelPermutation permutation = new(count, 5);
        double sum = 0;
        HashSet<long> values = [];
        for (long i = 0; i < 20_000; i++)
        {
            long value = permutation[i];
            Assert.InRange(value, 0, count - 1);
            Assert.True(values.Add(value));
            sum += (double)value / count;
        }
        Assert.InRange(sum / 20_000, 0.49, 0.51);
        Assert.NotEqual(permutation[0], new FeistelPermutation(count, 6)[0]);
    }

    [Property(MaxTest = 100)]
    public void Shares_are_kept_after_every_sample(byte[] weightSeed)
    {
        double[] weights = [.. weightSeed.Take(6).Select(weight => weight % 8.0), 1];
        MixturePlan plan = new([new MixturePhase(1000, weights)]);
        long[] drawn = new long[weights.Length];
        double sum = weights.Sum();
        for (int n = 1; n <= 1000; n++)
        {
            drawn[plan.Choose(0, drawn)]++;
            for (int i = 0; i < weights.Length; i++)
                Assert.InRange(drawn[i] - weights[i] / sum * n, -2, 2);
        }
    }

    [Property(MaxTest = 40)]
    public void A_stream_goes_on_from_any_state_as_if_it_had_not_stopped(byte stopSeed, byte batchSeed, ulong seed, byte prefetch)
    {
        using TestFolder folder = new();
        using Sources sources = new(folder);
        StreamOptions options = new() { Seed = seed, BatchSize = 1 + batchSeed % 5, Prefetch = 0 };
        List<string> whole = Run(sources, options, null, int.MaxValue, out _);
        Assert.Equal(Sources.Plan.Samples, whole.Count);
        int batches = (whole.Count + options.BatchSize - 1) / options.BatchSize, stop = stopSeed % (batches + 1);
        StreamOptions ahead = options with { Prefetch = 1 + prefetch % 6 };
        foreach (StreamOptions before in new[] { options, ahead })
        {
            List<string> head = Run(sources, before, null, stop, out StreamState state);
            Assert.Equal(head.Count, state.Position);
            StreamState read = StreamState.FromJson(state.ToJson());
            foreach (StreamOptions after in new[] { options, ahead })
                Assert.Equal(whole, head.Concat(Run(sources, after, read, int.MaxValue, out _)));
        }
    }

    [Fact]
    public void Each_sample_of_a_source_comes_once_an_epoch_in_another_order_each_time()
    {
        using TestFolder folder = new();
        using TokenDataset source = TokenDataset.Open(folder.WriteSamples(23, 4, 100, TestData.Small));
        using SampleStream stream = new([source], new MixturePlan([new MixturePhase(46, [3.5])]), new StreamOptions());
        List<int> first = [], second = [];
        while (stream.Next() is { } batch)
            (first.Count < 23 ? first : second).Add(batch.Ids[0]);
        Assert.Equal(Enumerable.Range(100, 23), first.Order());
        Assert.Equal(Enumerable.Range(100, 23), second.Order());
        Assert.NotEqual(first, second);
    }

    [Fact]
    public void States_that_do_not_belong_to_the_stream_are_refused()
    {
        using TestFolder folder = new();
        using Sources sources = new(folder);
        StreamOptions options = new() { Seed = 3 };
        Run(sources, options, null, 5, out StreamState state);
        void Refuse(StreamOptions other, StreamState bad) =>
            Assert.EndsWith(".", Assert.Throws<InvalidInputException>(() => new SampleStream(sources.Sets, Sources.Plan, other, bad).Dispose()).Message, StringComparison.Ordinal);
        Refuse(options with { Seed = 4 }, state);
        Refuse(options, state with { Drawn = [5] });
        Refuse(options, state with { Drawn = [long.MaxValue, 1, 1] });
        Refuse(options, state with { Drawn = [.. state.Drawn.Select(count => count + 1)] });
        foreach (string json in new[] { "", "{}", "[]", "null", "{\"Fingerprint\":1}" })
            Assert.Throws<InvalidInputException>(() => StreamState.FromJson(json));
        using TokenDataset other = TokenDataset.Open(folder.WriteSamples(3, 5, 1, TestData.Small));
        Assert.Throws<InvalidInputException>(() => new SampleStream([other, .. sources.Sets.Skip(1)], Sources.Plan, options).Dispose());
        Assert.Throws<InvalidInputException>(() => new SampleStream([other], Sources.Plan, options).Dispose());
        Assert.Throws<InvalidInputException>(() => new MixturePlan([new MixturePhase(1, [0, 0])]));
        Assert.Throws<InvalidInputException>(() => new MixturePlan([new MixturePhase(1, [1]), new MixturePhase(1, [1, 2])]));
    }

    [Fact]
    public void A_damaged_file_is_reported_in_its_place_when_reading_ahead()
    {
        using TestFolder folder = new();
        string path = folder.WriteSamples(3, 40_000, 1, TestData.Small);
        string file = Path.Combine(path, "shard-00000.tokens");
        byte[] bytes = File.ReadAllBytes(file);
        bytes[100_000] ^= 4;
        File.WriteAllBytes(file, bytes);
        using TokenDataset source = TokenDataset.Open(path);
        List<string> seen = [];
        foreach (int prefetch in new[] { 0, 3 })
        {
            using SampleStream stream = new([source], new MixturePlan([new MixturePhase(3, [1])]), new StreamOptions { Prefetch = prefetch });
            int good = 0;
            string message = Assert.Throws<InvalidInputException>(() =>
            {
                while (stream.Next() is not null)
                    good++;
            }).Message;
            seen.Add($"{good} {message}");
        }
        Assert.Equal(seen[0], seen[1]);
    }

    [Fact]
    public void A_row_has_padding_masks_and_segments()
    {
        using TestFolder folder = new();
        string path = folder.NewPath();
        using (ShardWriter writer = new(path, TestData.Small, 8, 9, 100))
        {
            writer.AddSample([1, 2, 3, 4, 5], [3, 2]);
            writer.Commit();
        }
        using TokenDataset source = TokenDataset.Open(path);
        using SampleStream stream = new([source], new MixturePlan([new MixturePhase(1, [1])]), new StreamOptions { BatchSize = 2 });
        SampleBatch batch = stream.Next()!;
        const int none = SampleLabels.Masked;
        Assert.Equal(1, batch.Rows);
        Assert.Equal([1, 2, 3, 4, 5, 9, 9, 9], batch.Ids[..8]);
        Assert.Equal([2, 3, none, 5, none, none, none, none], batch.Labels[..8]);
        Assert.Equal([3, none, none, none, none, none, none, none], batch.MtpLabels[..8]);
        Assert.Equal([0, 1, 2, 0, 1, 0, 1, 2], batch.Positions[..8]);
        Assert.Equal([3, 2], batch.SegmentLengths(0).ToArray());
        Assert.Null(stream.Next());
    }

    private static List<string> Run(Sources sources, StreamOptions options, StreamState? state, int most, out StreamState end)
    {
        using SampleStream stream = new(sources.Sets, Sources.Plan, options, state);
        List<string> rows = [];
        for (int i = 0; i < most && stream.Next() is { } batch; i++)
            for (int row = 0; row < batch.Rows; row++)
                rows.Add($"{batch.SourceOf(row)}: {string.Join(' ', batch.Ids.AsSpan(row * 4, 4).ToArray())} | {string.Join(' ', batch.Labels.AsSpan(row * 4, 4).ToArray())}");
        end = stream.State;
        return rows;
    }

    private sealed class Sources(TestFolder folder) : IDisposable
    {
        public static MixturePlan Plan { get; } = new([new MixturePhase(20, [70, 23, 6]), new MixturePhase(15, [1, 0, 1]), new MixturePhase(11, [0.2, 0.5, 0.3])]);

        public TokenDataset[] Sets { get; } =
        [
            TokenDataset.Open(folder.WriteSamples(9, 4, 100, TestData.Small)),
            TokenDataset.Open(folder.WriteSamples(17, 4, 200, TestData.Small)),
            TokenDataset.Open(folder.WriteSamples(1, 4, 300, TestData.Small)),
        ];

        public void Dispose()
        {
            foreach (TokenDataset set in Sets)
                set.Dispose();
        }
    }
}
