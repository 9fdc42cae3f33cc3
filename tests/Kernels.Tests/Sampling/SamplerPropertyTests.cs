using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>The sampler against its definition written out, on random logits and settings.</summary>
public class SamplerPropertyTests
{
    /// <summary>The definition: float64, a full sort, no shortcuts.</summary>
    private static double[] Define(float[] logits, SamplerOptions options, int[] prompt, int[] output)
    {
        double[] z = [.. logits.Select(x => (double)x)];
        foreach (int token in prompt.Concat(output).Distinct()) z[token] = z[token] < 0 ? z[token] * options.RepetitionPenalty : z[token] / options.RepetitionPenalty;
        foreach (IGrouping<int, int> token in output.GroupBy(t => t)) z[token.Key] -= options.FrequencyPenalty * token.Count() + options.PresencePenalty;
        int[] order = [.. Enumerable.Range(0, z.Length).OrderByDescending(i => z[i]).ThenBy(i => i)];
        double[] p = new double[z.Length];
        if (options.Temperature == 0)
        {
            p[order[0]] = 1;
            return p;
        }
        double top = z[order[0]];
        double[] w = [.. z.Select(x => Math.Exp((x - top) / options.Temperature))];
        if (options.TopK > 0 && options.TopK < z.Length) order = [.. order.Where(i => z[i] >= z[order[options.TopK - 1]])];
        if (options.TopP < 1)
        {
            double total = order.Sum(i => w[i]), before = 0;
            order = [.. order.TakeWhile((i, rank) => (before += w[i]) - w[i] < options.TopP * total || rank == 0)];
        }
        order = [.. order.Where(i => w[i] >= options.MinP)];
        double kept = order.Sum(i => w[i]);
        foreach (int i in order) p[i] = w[i] / kept;
        return p;
    }

    [Property(MaxTest = 2000)]
    public bool Equals_the_definition(int seed)
    {
        Random random = new(seed);
        // Logits are multiples of 1/8 so that ties are common; a cut that falls on a rounding error is not a difference.
        float[] logits = new float[random.Next(1, 400)];
        for (int i = 0; i < logits.Length; i++) logits[i] = random.Next(20) == 0 ? float.NegativeInfinity : random.Next(-80, 80) / 8f;
        logits[random.Next(logits.Length)] = 3;
        int[] prompt = [.. Enumerable.Range(0, random.Next(9)).Select(_ => random.Next(logits.Length))];
        int[] output = [.. Enumerable.Range(0, random.Next(9)).Select(_ => random.Next(logits.Length))];
        SamplerOptions options = new()
        {
            RepetitionPenalty = random.Next(2) == 0 ? 1 : 0.5 + random.NextDouble(),
            FrequencyPenalty = random.Next(2) == 0 ? 0 : random.NextDouble() - 0.3,
            PresencePenalty = random.Next(2) == 0 ? 0 : random.NextDouble() - 0.3,
            Temperature = random.Next(5) == 0 ? 0 : 0.05 + 2 * random.NextDouble(),
            TopK = random.Next(2) == 0 ? 0 : random.Next(1, 500),
            TopP = random.Next(2) == 0 ? 1 : random.NextDouble(),
            MinP = random.Next(3) == 0 ? random.NextDouble() : 0,
        };
        TokenHistory history = new(logits.Length, 4096);
        history.Reset(prompt);
        foreach (int token in output) history.Push(token);
        SamplerDistribution distribution = new(logits.Length);
        distribution.Compute(logits, options, history);
        float[] got = new float[logits.Length];
        distribution.CopyTo(got);
        double[] want = Define(logits, options, prompt, output);
        for (int i = 0; i < got.Length; i++)
            if (!(Math.Abs(got[i] - want[i]) <= 1e-6)) return false;
        double[] listed = distribution.Probabilities.ToArray();
        bool sorted = options is { TopK: 0, TopP: 1, MinP: 0 } || options.TopK >= logits.Length || listed.SequenceEqual(listed.OrderByDescending(p => p));
        return sorted && Math.Abs(listed.Sum() - 1) < 1e-12;
    }

    [Property(MaxTest = 500)]
    public bool Samples_follow_the_distribution(int seed)
    {
        Random random = new(seed);
        float[] logits = [.. Enumerable.Range(0, random.Next(1, 60)).Select(_ => (float)(3 * random.NextDouble()))];
        SamplerDistribution distribution = new(logits.Length);
        distribution.Compute(logits, new SamplerOptions { TopP = random.Next(2) == 0 ? 1 : 0.8 });
        // A regular grid of uniform numbers must hit every token within one grid step of its probability.
        const int Grid = 4096;
        int[] hits = new int[logits.Length];
        for (int i = 0; i < Grid; i++) hits[distribution.Sample((i + 0.5) / Grid)]++;
        for (int i = 0; i < distribution.Ids.Length; i++)
            if (Math.Abs(hits[distribution.Ids[i]] / (double)Grid - distribution.Probabilities[i]) > 1.01 / Grid) return false;
        return hits.Sum() == Grid;
    }

    [Property(MaxTest = 1000)]
    public bool Drafts_and_residuals_together_give_the_target(int seed)
    {
        Random random = new(seed);
        float[] p = Distribution(random, 30), q = Distribution(random, 30), residual = new float[30];
        Speculative.Residual(p, q, residual);
        double rate = Speculative.AcceptanceRate(p, q);
        for (int i = 0; i < p.Length; i++)
            if (Math.Abs(q[i] * Speculative.Acceptance(p[i], q[i]) + (1 - rate) * residual[i] - p[i]) > 1e-6) return false;
        return true;

        static float[] Distribution(Random random, int count)
        {
            double[] w = [.. Enumerable.Range(0, count).Select(_ => random.Next(3) == 0 ? 0 : Math.Pow(random.NextDouble(), 4))];
            w[random.Next(count)] += 0.1;
            return [.. w.Select(x => (float)(x / w.Sum()))];
        }
    }

    /// <summary>χ² of 200,000 tokens against the target; 29 degrees of freedom exceed 70 once in 30,000 tries, and the seed is fixed.</summary>
    [Fact]
    public void Speculative_tokens_are_distributed_as_the_target()
    {
        const int Vocabulary = 30, Draws = 200_000;
        Random random = new(11);
        SamplerDistribution target = new(Vocabulary), draft = new(Vocabulary), rest = new(Vocabulary);
        float[] p = new float[2 * Vocabulary], q = new float[Vocabulary], next = new float[Vocabulary];
        target.Compute([.. Enumerable.Range(0, Vocabulary).Select(_ => (float)(2 * random.NextDouble()))], new SamplerOptions());
        draft.Compute([.. Enumerable.Range(0, Vocabulary).Select(_ => (float)(2 * random.NextDouble()))], new SamplerOptions());
        target.CopyTo(p.AsSpan(0, Vocabulary));
        target.CopyTo(p.AsSpan(Vocabulary));
        draft.CopyTo(q);
        int[] counts = new int[Vocabulary];
        for (int i = 0; i < Draws; i++)
        {
            int token = draft.Sample(random.NextDouble());
            if (Speculative.Verify(p, q, [token], [random.NextDouble()], next) == 0)
            {
                rest.Compute([.. next.Select(x => MathF.Log(x))], new SamplerOptions());
                token = rest.Sample(random.NextDouble());
            }
            counts[token]++;
        }
        double chiSquare = 0;
        for (int i = 0; i < Vocabulary; i++) chiSquare += Math.Pow(counts[i] - Draws * (double)p[i], 2) / (Draws * (double)p[i]);
        Assert.True(chiSquare < 70, $"chi-square {chiSquare}");
    }

    [Theory]
    [InlineData(float.NaN, "The logit of token 70 is NaN; numbers were expected.")]
    [InlineData(float.NegativeInfinity, "All logits are -Infinity; at least one token must be possible.")]
    public void Logits_without_a_distribution_are_refused(float value, string expected)
    {
        float[] logits = [.. Enumerable.Repeat(float.NegativeInfinity, 99)];
        logits[70] = value;
        foreach (SamplerOptions options in (SamplerOptions[])[new(), new() { Temperature = 0 }, new() { TopK = 5 }, new() { TopP = 0.5 }])
            Assert.Equal(expected, Assert.Throws<InvalidInputException>(() => new SamplerDistribution(99).Compute(logits, options)).Message);
    }

    [Fact]
    public void Infinite_logits_share_the_mass()
    {
        SamplerDistribution distribution = new(5);
        distribution.Compute([1, float.PositiveInfinity, 2, float.PositiveInfinity, float.NegativeInfinity], new SamplerOptions { TopP = 0.9 });
        Assert.Equal([1, 3], distribution.Ids.ToArray());
        Assert.Equal([0.5, 0.5], distribution.Probabilities.ToArray());
    }

    [Fact]
    public void Nothing_is_allocated_after_construction()
    {
        Random random = new(5);
        float[] logits = [.. Enumerable.Range(0, 98_304).Select(_ => (float)(10 * random.NextDouble() * random.NextDouble()))], probabilities = new float[logits.Length];
        SamplerDistribution distribution = new(logits.Length);
        TokenHistory history = new(logits.Length, 4096);
        SamplerOptions[] all = [new(), new() { Temperature = 0 }, new() { TopK = 20, TopP = 0.95, Temperature = 0.6 }, new() { TopP = 0.9 }, new() { MinP = 0.1, RepetitionPenalty = 1.1 }];
        Assert.Equal(0, Allocations.Least(() =>
        {
            foreach (SamplerOptions options in all)
            {
                distribution.Compute(logits, options, history);
                distribution.CopyTo(probabilities);
                history.Push(distribution.Sample(0.5));
            }
        }));
    }

    [Theory]
    [InlineData("temperature")]
    [InlineData("top-p")]
    [InlineData("min-p")]
    [InlineData("top-k")]
    [InlineData("repetition penalty")]
    [InlineData("frequency penalty")]
    public void Options_out_of_range_are_named(string name)
    {
        SamplerOptions options = name switch
        {
            "temperature" => new() { Temperature = double.NaN },
            "top-p" => new() { TopP = 1.5 },
            "min-p" => new() { MinP = -0.1 },
            "top-k" => new() { TopK = -1 },
            "repetition penalty" => new() { RepetitionPenalty = 0 },
            _ => new() { FrequencyPenalty = double.PositiveInfinity },
        };
        Assert.Contains($"sampler's {name} is ", Assert.Throws<InvalidInputException>(options.Validate).Message, StringComparison.Ordinal);
    }
}
