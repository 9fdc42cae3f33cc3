using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model.Tests;

/// <summary>What a tap sees and changes.</summary>
[Collection(ModelCollection.Name)]
public sealed class ForwardTapTests
{
    private static readonly MellumModel s_mini = TestModels.Get("mini", "simd").Model;
    private static readonly int[] s_prompt = [571, 255, 122, 314, 255, 54, 52, 61, 571, 255, 123];

    private static float[] Logits(ForwardTap? tap)
    {
        using KvCache cache = new(new CachePlan(s_mini.Configuration, s_mini.CacheFormat, 32, 32, s_mini.HasMtp));
        ForwardBatch batch = new();
        batch.Add(cache, 0, s_prompt);
        s_mini.Context.Tap = tap;
        Tensor states = s_mini.Trunk(batch, wantBeforeNorm: false, out _);
        Tensor logits = s_mini.Logits(states, 0, s_prompt.Length);
        s_mini.Context.Tap = null;
        float[] values = TestModels.Values(logits);
        s_mini.Context.Workspace.Release(states);
        s_mini.Context.Workspace.Release(logits);
        return values;
    }

    [Fact]
    public void A_tap_that_only_looks_changes_nothing()
    {
        Counter counter = new();
        Assert.Equal(Logits(null), Logits(counter));
        int layers = s_mini.Configuration.LayerCount;
        Assert.Equal((layers + 1, layers, layers, layers, layers, 1, 1), counter.Calls);
    }

    [Fact]
    public void An_expert_that_is_switched_off_is_never_chosen()
    {
        WithoutExpert tap = new(layer: 2, expert: 5);
        Assert.NotEqual(Logits(null), Logits(tap));
        Assert.DoesNotContain(5, tap.Chosen);
        Assert.Equal(s_prompt.Length * s_mini.Configuration.ExpertsPerToken, tap.Chosen.Count);
    }

    [Fact]
    public void A_head_can_be_switched_off_or_replaced()
    {
        float[] off = Logits(new HeadSlice(layer: 1, head: 3, value: 0));
        Assert.NotEqual(Logits(null), off);
        Assert.NotEqual(off, Logits(new HeadSlice(layer: 1, head: 3, value: 1)));
    }

    [Fact]
    public void Editing_the_stream_of_one_token_leaves_earlier_tokens_as_they_were()
    {
        int vocabulary = s_mini.Configuration.VocabularySize, row = 6;
        float[] plain = Logits(null), edited = Logits(new Push(layer: 0, row));
        Assert.Equal(plain[..(row * vocabulary)], edited[..(row * vocabulary)]);
        Assert.NotEqual(plain[(row * vocabulary)..], edited[(row * vocabulary)..]);
    }

    private sealed class Counter : ForwardTap
    {
        public (int Residual, int Qkv, int Heads, int RouterLogits, int Routed, int Normed, int Logits) Calls;

        public override void Residual(int layer, Tensor stream) => Calls.Residual++;

        public override void QueriesKeysValues(int layer, Tensor queries, Tensor keys, Tensor values) => Calls.Qkv++;

        public override void Heads(int layer, Tensor heads) => Calls.Heads++;

        public override void RouterLogits(int layer, Tensor logits) => Calls.RouterLogits++;

        public override void Routed(int layer, Tensor probabilities, Tensor experts, Tensor weights) => Calls.Routed++;

        public override void Normed(Tensor states) => Calls.Normed++;

        public override void Logits(Tensor logits) => Calls.Logits++;
    }

    private sealed class WithoutExpert(int layer, int expert) : ForwardTap
    {
        public List<int> Chosen { get; } = [];

        public override void RouterLogits(int at, Tensor logits)
        {
            for (int t = 0; at == layer && t < logits.Rows; t++)
                logits.Span<float>()[t * logits.Columns + expert] = float.NegativeInfinity;
        }

        public override void Routed(int at, Tensor probabilities, Tensor experts, Tensor weights)
        {
            if (at == layer)
                Chosen.AddRange(experts.Span<int>());
        }
    }

    private sealed class HeadSlice(int layer, int head, float value) : ForwardTap
    {
        public override void Heads(int at, Tensor heads)
        {
            int size = s_mini.Configuration.HeadSize;
            for (int t = 0; at == layer && t < heads.Rows; t++)
                heads.Span<float>().Slice(t * heads.Columns + head * size, size).Fill(value);
        }
    }

    private sealed class Push(int layer, int row) : ForwardTap
    {
        public override void Residual(int at, Tensor stream)
        {
            if (at == layer)
                stream.Span<float>()[row * stream.Columns] += 1;
        }
    }
}
