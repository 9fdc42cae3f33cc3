using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Engine.Tests;

public unsafe class WorkerPoolTests
{
    /// <summary>Counts how often each item runs.</summary>
    private readonly struct CountJob(int* counts, int workers) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            if ((uint)worker >= (uint)workers)
                throw new InvalidOperationException($"There is no worker {worker}.");
            for (int i = begin; i < end; i++)
                Interlocked.Increment(ref counts[i]);
        }
    }

    private readonly struct FailingJob(int* started, int failing) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            Interlocked.Increment(ref *started);
            if (begin <= failing && failing < end)
                throw new InvalidInputException("this item fails");
        }
    }

    private readonly struct NestedJob(WorkerPool pool) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            int* counts = stackalloc int[2];
            CountJob inner = new(counts, pool.Count);
            pool.For(ref inner, 2);
        }
    }

    /// <summary>Two workers that wait for each other: done only if both take part. The one that was forked takes its time.</summary>
    private readonly struct MeetingJob(int* arrived, int* finished) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            long start = Environment.TickCount64;
            for (Interlocked.Increment(ref *arrived); Volatile.Read(ref *arrived) < 2;)
            {
                if (Environment.TickCount64 - start > 30_000)
                    throw new TimeoutException("The other worker did not come.");
                Thread.Yield();
            }
            if (worker != 0)
                Thread.Sleep(2);
            Interlocked.Increment(ref *finished);
        }
    }

    [Property(MaxTest = 60)]
    public Property Every_item_runs_exactly_once() => Prop.ForAll(
        Gen.Choose(1, 3).Select(w => w).ToArbitrary(), Gen.Choose(0, 2000).ToArbitrary(), Gen.Choose(1, 70).ToArbitrary(),
        (workers, items, chunk) =>
        {
            using WorkerPool pool = new(workers);
            using NativeBuffer counts = new(items * sizeof(int));
            CountJob job = new((int*)counts.Pointer, pool.Count);
            for (int round = 1; round <= 3; round++)
            {
                pool.For(ref job, items, chunk);
                for (int i = 0; i < items; i++)
                    Assert.Equal(round, ((int*)counts.Pointer)[i]);
            }
        });

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void A_hundred_thousand_calls_lose_no_item_and_allocate_nothing(int workers)
    {
        const int calls = 100_000, attempts = 4;
        using WorkerPool pool = new(workers);
        int* counts = stackalloc int[3];
        new Span<int>(counts, 3).Clear();
        CountJob job = new(counts, pool.Count);
        pool.For(ref job, 3);
        // The least of several parts: a collection in the middle of one counts the rest of the thread's buffer.
        long least = long.MaxValue;
        for (int call = 1, attempt = 1; attempt <= attempts; attempt++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            for (; call < calls * attempt / attempts; call++)
                pool.For(ref job, 3);
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        Assert.Equal(0, least);
        Assert.Equal([calls, calls, calls], new Span<int>(counts, 3).ToArray());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void An_exception_reaches_the_caller_and_the_pool_goes_on(int workers)
    {
        using WorkerPool pool = new(workers);
        int* counts = stackalloc int[50];
        for (int failing = 0; failing < 50; failing++)
        {
            int started = 0;
            FailingJob job = new(&started, failing);
            Assert.Equal("this item fails", Assert.Throws<InvalidInputException>(() => Run(pool, job)).Message);
            new Span<int>(counts, 50).Clear();
            CountJob counting = new(counts, pool.Count);
            pool.For(ref counting, 50);
            Assert.All(new Span<int>(counts, 50).ToArray(), count => Assert.Equal(1, count));
        }

        static void Run(WorkerPool pool, FailingJob job) => pool.For(ref job, 50);
    }

    [Fact]
    public void Parked_workers_wake_up_and_are_waited_for()
    {
        using WorkerPool pool = new(2);
        for (int round = 0; round < 20; round++)
        {
            Thread.Sleep(round);
            int arrived = 0, finished = 0;
            MeetingJob job = new(&arrived, &finished);
            pool.For(ref job, 2);
            Assert.Equal(2, finished);
        }
    }

    [Fact]
    public void A_call_within_a_call_is_refused()
    {
        using WorkerPool pool = new(2);
        NestedJob job = new(pool);
        Assert.Throws<InvalidOperationException>(() => Run(pool, job));

        static void Run(WorkerPool pool, NestedJob job) => pool.For(ref job, 2);
    }

    [Fact]
    public void Nothing_to_do_is_done_at_once()
    {
        using WorkerPool pool = new(2);
        int started = 0;
        FailingJob job = new(&started, 0);
        pool.For(ref job, 0);
        Assert.Equal(0, started);
    }

    [Fact]
    public void Zero_stands_for_every_processor()
    {
        using WorkerPool pool = new();
        Assert.Equal(Environment.ProcessorCount, pool.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => new WorkerPool(-1));
    }

    [Fact]
    public void A_pool_can_be_disposed_of_twice_while_its_workers_spin_or_sleep()
    {
        foreach (int wait in new[] { 0, 20 })
        {
            WorkerPool pool = new(3);
            Thread.Sleep(wait);
            pool.Dispose();
            pool.Dispose();
        }
    }
}
