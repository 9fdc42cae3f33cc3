namespace Mellum2.Managed.Model.Tests;

/// <summary>The number of drafts follows the counted acceptance and the shape of the model.</summary>
public sealed class DraftLengthTests
{
    private static readonly ModelConfiguration s_released = ModelConfiguration.Named("mellum2-12b");

    private static DraftLength Adaptive() => new(new SpeculationOptions(DraftKind.Mtp), new DraftCost(s_released, draftsWithMtp: true));

    [Fact]
    public void A_fixed_number_stays()
    {
        DraftLength length = new(new SpeculationOptions(DraftKind.Mtp, 3), new DraftCost(s_released, draftsWithMtp: true));
        for (int i = 0; i < 50; i++)
        {
            Assert.Equal(3, length.Next());
            length.Count(3, 0);
        }
    }

    [Fact]
    public void Acceptance_raises_it_and_rejection_ends_it()
    {
        DraftLength length = Adaptive();
        for (int i = 0; i < 200; i++)
            length.Count(4, 4);
        Assert.Equal(SpeculationOptions.MostDrafts, length.Next());
        for (int i = 0; i < 200; i++)
            length.Count(4, 0);
        Assert.Equal(1, Enumerable.Range(0, 16).Sum(_ => length.Next()));
        for (int i = 0; i < 200; i++)
            length.Count(1, 1);
        Assert.Equal(SpeculationOptions.MostDrafts, length.Next());
    }

    [Fact]
    public void A_draft_of_the_released_shape_costs_the_share_of_its_weights()
    {
        // (one MTP layer's active weights + its projection + the head) / the trunk's active weights.
        Assert.Equal((81.6e6 + 226.5e6) / 2212.6e6, new DraftCost(s_released, draftsWithMtp: true).Draft, 0.003);
        Assert.Equal(0, new DraftCost(s_released, draftsWithMtp: false).Draft);
    }

    [Fact]
    public void A_pass_costs_more_the_more_tokens_it_verifies_but_less_than_passes_apart()
    {
        DraftCost cost = new(s_released, draftsWithMtp: true);
        for (int tokens = 2; tokens <= SpeculationOptions.MostDrafts + 1; tokens++)
        {
            Assert.InRange(cost.Pass(tokens), cost.Pass(tokens - 1), cost.Pass(tokens - 1) + 0.5);
            Assert.True(cost.Pass(tokens) < tokens);
        }
    }
}
