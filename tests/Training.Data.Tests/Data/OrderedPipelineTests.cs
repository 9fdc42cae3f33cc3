namespace Mellum2.Managed.Training.Data.Tests;

/// <summary>Results come in order, however long each takes, and failures too.</summary>
public sealed class OrderedPipelineTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(7)]
    public void Results_are_taken_in_the_order_of_the_items(int threads)
    {
        List<int> taken = [];
        OrderedPipeline.Run(Enumerable.Range(0, 100), threads, Slowly, taken.Add, CancellationToken.None);
        Assert.Equal(Enumerable.Range(0, 100).Select(i => 2 * i), taken);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void The_first_failure_in_order_is_reported_after_all_before_it(int threads)
    {
        List<int> taken = [];
        int Work(int item) => item is 40 or 41 ? throw new InvalidOperationException($"{item}") : Slowly(item);
        InvalidOperationException error = Assert.Throws<InvalidOperationException>(
            () => OrderedPipeline.Run(Enumerable.Range(0, 100), threads, Work, taken.Add, CancellationToken.None));
        Assert.Equal("40", error.Message);
        Assert.Equal(Enumerable.Range(0, 40).Select(i => 2 * i), taken);
    }

    // Every fifth item takes long, so that those behind it are done before it.
    private static int Slowly(int item)
    {
        if (item % 5 == 0)
            Thread.Sleep(12);
        return 2 * item;
    }
}
