using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Model.Tests;

/// <summary>
/// A row's logits depend on its sequence alone: not on how a prompt is cut into passes, on threads, on the width of
/// vectors, on what else is in the batch, or on whether a token was verified with others or decoded alone. To the bit.
/// </summary>
[Collection(ModelCollection.Name)]
public sealed class InvarianceTests
{
    private static readonly string[] s_folders = ["models/tiny", "models/odd", "models/wide", "mini"];

    public static IEnumerable<object[]> Folders() => s_folders.Select(folder => new object[] { folder });

    [Property(MaxTest = 24)]
    public Property Any_split_of_a_prompt_gives_the_same_logits()
    {
        Gen<(string, int[])> cases =
            from folder in Gen.Elements(s_folders)
            from cuts in Gen.Choose(1, 24).ListOf()
            select (folder, cuts.ToArray());
        return Prop.ForAll(cases.ToArbitrary(), given =>
        {
            MellumModel model = TestModels.Get(given.Item1, "simd").Model;
            int[] ids = Ids(model, 120, 1);
            return Same(InPasses(model, ids, given.Item2), InPasses(model, ids, [ids.Length]));
        });
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Verifying_up_to_eight_tokens_equals_decoding_one_by_one(string folder)
    {
        MellumModel model = TestModels.Get(folder, "simd").Model;
        int[] ids = Ids(model, 100, 2);
        float[] single = InPasses(model, ids, [40, .. Enumerable.Repeat(1, 60)]);
        for (int m = 2; m <= 8; m++)
            Assert.True(Same(single, InPasses(model, ids, [40, .. Enumerable.Repeat(m, 60 / m + 1)])), $"M = {m}");
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Threads_and_vector_widths_give_the_same_logits(string folder)
    {
        int[]? ids = null;
        float[]? want = null;
        (int Threads, VectorWidth Width)[] settings =
        [
            (2, VectorWidth.Auto), (1, VectorWidth.Auto), (3, VectorWidth.Auto), (2, VectorWidth.V256), (1, VectorWidth.V128), (2, VectorWidth.Scalar),
        ];
        foreach (var (threads, width) in settings)
        {
            using Mellum mellum = TestModels.Load(folder, "simd", threads, width);
            ids ??= Ids(mellum.Model, 48, 3);
            float[] got = InPasses(mellum.Model, ids, [17, 1, 1, 3, 26]);
            want ??= got;
            Assert.True(Same(want, got), $"{threads} threads, {width}");
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void What_else_is_in_the_batch_does_not_matter(string folder)
    {
        MellumModel model = TestModels.Get(folder, "simd").Model;
        int[][] sequences = [Ids(model, 30, 4), Ids(model, 1, 5), Ids(model, 47, 6), Ids(model, 8, 7)];
        float[][] alone = [.. sequences.Select(ids => InPasses(model, ids, [ids.Length]))];
        foreach (int[] order in (int[][])[[0, 1, 2, 3], [3, 1], [2, 0, 3]])
        {
            KvCache[] caches = [.. order.Select(i => Cache(model, sequences[i].Length))];
            ForwardBatch batch = new();
            for (int i = 0; i < order.Length; i++)
                batch.Add(caches[i], 0, sequences[order[i]]);
            float[] logits = Run(model, batch);
            int row = 0, vocabulary = model.Configuration.VocabularySize;
            foreach (int i in order)
            {
                Assert.True(Same(alone[i], logits[(row * vocabulary)..((row + sequences[i].Length) * vocabulary)]));
                row += sequences[i].Length;
            }
            foreach (KvCache cache in caches)
                cache.Dispose();
        }
    }

    [Property(MaxTest = 24)]
    public Property Taking_tokens_back_leaves_no_trace()
    {
        Gen<(string, int, int)> cases =
            from folder in Gen.Elements(s_folders)
            from kept in Gen.Choose(1, 100)
            from extra in Gen.Choose(1, 8)
            select (folder, kept, extra);
        return Prop.ForAll(cases.ToArbitrary(), given =>
        {
            var (folder, kept, extra) = given;
            MellumModel model = TestModels.Get(folder, "simd").Model;
            int[] ids = Ids(model, kept + 12, 8), wrong = Ids(model, extra, 9);
            float[] fresh = InPasses(model, ids, [ids.Length]);
            using KvCache cache = Cache(model, ids.Length + extra, chunk: 16);
            ForwardBatch batch = new();
            for (int position = 0; position < kept; position += 16)
                Run(model, Next(batch, cache, ids.AsSpan(position, Math.Min(16, kept - position))));
            Run(model, Next(batch, cache, wrong));
            cache.Truncate(kept);
            float[] after = Run(model, Next(batch, cache, ids.AsSpan(kept)));
            return Same(fresh[^after.Length..], after);
        });
    }

    private static ForwardBatch Next(ForwardBatch batch, KvCache cache, ReadOnlySpan<int> ids)
    {
        batch.Clear();
        batch.Add(cache, cache.Length, ids);
        return batch;
    }

    private static float[] InPasses(MellumModel model, int[] ids, int[] lengths)
    {
        using KvCache cache = Cache(model, ids.Length);
        ForwardBatch batch = new();
        List<float> logits = [];
        int next = 0;
        while (cache.Length < ids.Length)
        {
            int length = lengths.Length == 0 ? ids.Length : lengths[next++ % lengths.Length];
            logits.AddRange(Run(model, Next(batch, cache, ids.AsSpan(cache.Length, Math.Min(length, ids.Length - cache.Length)))));
        }
        return [.. logits];
    }

    private static float[] Run(MellumModel model, ForwardBatch batch)
    {
        Tensor states = model.Trunk(batch, wantBeforeNorm: false, out _);
        Tensor logits = model.Logits(states, 0, batch.Count);
        float[] values = TestModels.Values(logits);
        model.Context.Workspace.Release(states);
        model.Context.Workspace.Release(logits);
        return values;
    }

    private static KvCache Cache(MellumModel model, int context, int? chunk = null) =>
        new(new CachePlan(model.Configuration, model.CacheFormat, context, chunk ?? context, model.HasMtp));

    private static int[] Ids(MellumModel model, int count, ulong seed) =>
        [.. Enumerable.Range(0, count).Select(i => (int)(Philox.Bits(seed, (ulong)i, 3) % (ulong)model.Configuration.VocabularySize))];

    private static bool Same(float[] a, float[] b) =>
        a.Length == b.Length && System.Runtime.InteropServices.MemoryMarshal.AsBytes(a.AsSpan()).SequenceEqual(
            System.Runtime.InteropServices.MemoryMarshal.AsBytes(b.AsSpan()));
}
