using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

public class ScheduleGoldenTests
{
    [Theory]
    [MemberData(nameof(GoldenManifest.NumericCases), "schedule", MemberType = typeof(GoldenManifest))]
    public void Follows_the_goldens(string name)
    {
        GoldenCase golden = GoldenManifest.Numerics("schedule")[name];
        double peak = golden.Number("max_lr"), minimum = golden.Number("min_lr");
        int warmUp = golden.Integer("warmup"), total = golden.Integer("total");
        LearningRateSchedule schedule = golden.Word("style") == "whd"
            ? new WarmUpHoldDecaySchedule(peak, warmUp, golden.Integer("decay"), total, minimum)
            : new CosineSchedule(peak, warmUp, total, minimum);
        double[] got = [.. golden["n"].Integers().Select(n => schedule.At(n))];
        golden["lr"].Check(got);
        double[] wide = [.. golden.Parameters.GetProperty("lr_float64").EnumerateArray().Select(value => value.GetDouble())];
        for (int i = 0; i < wide.Length; i++)
            Assert.Equal(wide[i], got[i], peak * 1e-14);
    }

    [Fact]
    public void Constant_schedule_warms_up_and_stays()
    {
        ConstantSchedule schedule = new(2e-3, 4);
        Assert.Equal([0, 5e-4, 1e-3, 1.5e-3, 2e-3, 2e-3, 2e-3], [.. new long[] { 0, 1, 2, 3, 4, 5, 1_000_000 }.Select(schedule.At)]);
        Assert.Equal(2e-3, new ConstantSchedule(2e-3, 0).At(0));
    }

    [Fact]
    public void Impossible_schedules_are_refused()
    {
        Assert.Throws<InvalidInputException>(() => new WarmUpHoldDecaySchedule(1, 5, 6, 10));
        Assert.Throws<InvalidInputException>(() => new CosineSchedule(1, 11, 10));
        Assert.Throws<InvalidInputException>(() => new ConstantSchedule(double.NaN, 0));
        Assert.Throws<InvalidInputException>(() => new ConstantSchedule(1, -1));
    }
}
