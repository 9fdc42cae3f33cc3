using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training.Runs.Tests;

public sealed class TrainingCostTests
{
    private static ModelConfiguration SmallMoe => ModelConfiguration.Named("small-moe");

    [Fact]
    public void A_small_mixture_of_experts_costs_what_it_is_known_to_cost()
    {
        TrainingCost cost = new(SmallMoe, withMtp: false);
        Assert.Equal(22_151_168, cost.ActiveParameters);
        Assert.Equal(2 * 131_328 + 6 * 98_432, cost.Pairs(512));
        int[] ids = new int[8 * 512];
        Assert.Equal(586.3e9, cost.FlopsOf([new TrainingBatch(512, ids, ids, ids)]), 0.05e9);
    }

    [Fact]
    public void Pairs_are_those_that_a_window_shows()
    {
        TrainingCost cost = new(SmallMoe with { LayerTypes = [AttentionKind.Sliding, AttentionKind.Full], MlpLayerTypes = [MlpKind.Sparse, MlpKind.Sparse], SlidingWindow = 3 }, false);
        for (int length = 1; length < 9; length++)
        {
            long seen = 0;
            for (int query = 0; query < length; query++)
                for (int key = 0; key <= query; key++)
                    seen += query - key < 3 ? 2 : 1;
            Assert.Equal(seen, cost.Pairs(length));
        }
    }

    [Fact]
    public void Documents_of_a_row_see_themselves_alone_and_a_frozen_trunk_runs_forward()
    {
        TrainingCost cost = new(SmallMoe, withMtp: true);
        int[] ids = new int[12];
        TrainingBatch batch = new(12, ids, ids, ids, [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
        Assert.Equal(cost.FlopsOf(5) + cost.FlopsOf(7), cost.FlopsOf([batch]));
        Assert.Equal(8192L * 512, cost.MtpActiveParameters - (2 * 512 * 512 + 2 * 512 * 512 + 2 * 512 * 128 + 512 * 32 + 4 * 3 * 512 * 256));
        double trunk = new TrainingCost(SmallMoe, false).FlopsOf(9);
        Assert.Equal(cost.FlopsOf(9) - trunk + trunk / 3, new TrainingCost(SmallMoe, true, TrainedPart.MtpHead).FlopsOf(9), 1e-3);
    }
}
