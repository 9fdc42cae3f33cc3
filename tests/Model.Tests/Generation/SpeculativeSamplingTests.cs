using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model.Tests;

/// <summary>
/// The acceptance rule: whatever the draft's distribution, the token that comes out is distributed as the target's. Checked
/// by a χ² test over many draws, which a broken rule must fail.
/// </summary>
public sealed class SpeculativeSamplingTests
{
    private const int Draws = 200_000;
    private const int Vocabulary = 24;

    private static readonly float[] s_target = Distribution(1, 2.0);

    [Theory]
    [InlineData(2, 2.0)]
    [InlineData(3, 0.3)]
    [InlineData(1, 2.0)]
    public void Drafted_tokens_come_out_distributed_as_the_target(ulong draftSeed, double sharpness)
    {
        float[] draft = Distribution(draftSeed, sharpness);
        Assert.True(PValue(Run(draft, certain: false, broken: false)) > 0.001);
    }

    [Fact]
    public void A_certain_draft_leaves_the_targets_distribution()
    {
        Assert.True(PValue(Run(Distribution(2, 2.0), certain: true, broken: false)) > 0.001);
    }

    [Fact]
    public void The_test_notices_a_broken_rule()
    {
        Assert.True(PValue(Run(Distribution(2, 2.0), certain: false, broken: true)) < 1e-6);
    }

    private static long[] Run(float[] q, bool certain, bool broken)
    {
        long[] counts = new long[Vocabulary];
        float[] p = new float[Vocabulary];
        for (uint i = 0; i < Draws; i++)
        {
            s_target.CopyTo(p, 0);
            int draft = certain ? (int)(i % Vocabulary) : Model.Draws.FromDistribution(q, Philox.Uniform(9, i, RandomPurpose.Draft));
            float odds = certain ? 1 : q[draft];
            // The broken rule accepts one draft in ten regardless.
            bool accepted = Philox.Uniform(9, i, RandomPurpose.Accept) < Speculative.Acceptance(p[draft], odds)
                || (broken && Philox.Uniform(9, i, 77) < 0.1);
            if (!accepted)
            {
                if (certain)
                    p[draft] = 0;
                else
                    Speculative.Residual(p, q, p);
                draft = Model.Draws.FromDistribution(p, Philox.Uniform(9, i, RandomPurpose.Sample));
            }
            counts[draft]++;
        }
        return counts;
    }

    private static double PValue(long[] counts)
    {
        double statistic = 0, total = s_target.Sum(p => (double)p);
        for (int i = 0; i < counts.Length; i++)
        {
            double expected = s_target[i] / total * Draws;
            statistic += (counts[i] - expected) * (counts[i] - expected) / expected;
        }
        return ChiSquare.UpperTail(statistic, counts.Length - 1);
    }

    private static float[] Distribution(ulong seed, double sharpness)
    {
        double[] weights = new double[Vocabulary];
        for (uint i = 0; i < Vocabulary; i++)
            weights[i] = Math.Exp(sharpness * Philox.Normal(seed, i, 5));
        return [.. weights.Select(w => (float)(w / weights.Sum()))];
    }
}
