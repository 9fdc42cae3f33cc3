using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Mellum2.Managed.Engine;

/// <summary>
/// Threads made for kernels: a fork and join takes well under a microsecond while they spin, and they park when
/// nothing comes for a while. The calling thread is worker 0. Items are claimed in chunks from a shared counter, so a
/// worker whose core is taken away by another process does not hold up the rest for longer than a chunk, and one that is
/// still asleep when the work is done not at all.
/// One call at a time; nothing is allocated per call.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    // How often a waiting thread looks before it parks or yields: about 100 µs, longer than the gaps between the
    // kernels of a token and short enough not to steal a core for long.
    private const int SpinsBeforePark = 4000;

    // State.Call: which call it is, whether it still takes members, and how many of the threads work on it.
    private const long OneGeneration = 1L << 32;
    private const long Generation = -OneGeneration;
    private const long Closed = 1L << 31;
    private const long Members = Closed - 1;

    private readonly Thread[] _threads;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly State* _state;
    private Exception? _failure;
    private int _busy;

    /// <summary>Starts <paramref name="count"/> − 1 threads; 0 means one worker for each processor.</summary>
    public WorkerPool(int count = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        Count = count == 0 ? Environment.ProcessorCount : count;
        _state = (State*)NativeMemory.AlignedAlloc((nuint)sizeof(State), 128);
        *_state = default;
        _threads = new Thread[Count - 1];
        for (int i = 0; i < _threads.Length; i++)
        {
            int worker = i + 1;
            _threads[i] = new Thread(() => Work(worker)) { IsBackground = true, Name = $"kernel worker {worker}" };
            _threads[i].Start();
        }
    }

    /// <summary>The number of workers, the calling thread included.</summary>
    public int Count { get; }

    /// <summary>
    /// Runs items 0 … <paramref name="count"/> − 1 of <paramref name="job"/> and returns when all are done. An
    /// exception in a worker is thrown here, after all have stopped; items may then be left out.
    /// </summary>
    /// <param name="job">The job, a local variable of the caller: workers see it where it lies on the stack.</param>
    /// <param name="count">How many items there are.</param>
    /// <param name="chunk">How many items a worker claims at once.</param>
    public void For<TJob>(ref TJob job, int count, int chunk = 1) where TJob : struct, IParallelJob
    {
        if (count <= 0)
            return;
        if (Count == 1 || count <= chunk)
        {
            job.Run(0, count, 0);
            return;
        }
        if (Interlocked.Exchange(ref _busy, 1) != 0)
            throw new InvalidOperationException("The worker pool runs one call at a time.");
        try
        {
            Fork(Unsafe.AsPointer(ref job), &Trampoline<TJob>, count, chunk);
        }
        finally
        {
            Volatile.Write(ref _busy, 0);
        }
        if (_failure is { } failure)
        {
            _failure = null;
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Volatile.Read(ref _state->Stopping) != 0)
            return;
        Volatile.Write(ref _state->Stopping, 1);
        Publish(Closed);
        foreach (Thread thread in _threads)
            thread.Join();
        _wake.Dispose();
    }

    private void Fork(void* job, delegate*<WorkerPool, void*, int, void> run, int count, int chunk)
    {
        _state->Job = job;
        _state->Run = run;
        _state->Items = count;
        _state->Chunk = chunk;
        _state->Next = 0;
        Publish(0);
        run(this, job, 0);
        // Every item is claimed. Who has not come by now stays away: the call waits for those that work, not for a thread
        // that the system has yet to schedule.
        Interlocked.Or(ref _state->Call, Closed);
        int spins = 0;
        while ((Volatile.Read(ref _state->Call) & Members) != 0)
            Pause(ref spins);
    }

    // Begins a call without members and wakes who sleeps.
    private void Publish(long state)
    {
        Interlocked.Exchange(ref _state->Call, (Volatile.Read(ref _state->Call) & Generation) + OneGeneration | state);
        int parked = Interlocked.Exchange(ref _state->Parked, 0);
        if (parked > 0)
            _wake.Release(parked);
    }

    private void Work(int worker)
    {
        long seen = 0;
        int spins = 0;
        while (true)
        {
            long call = Volatile.Read(ref _state->Call);
            if ((call & Generation) == seen)
            {
                if (++spins < SpinsBeforePark)
                {
                    Thread.SpinWait(1);
                    continue;
                }
                Park(seen);
                spins = 0;
                continue;
            }
            if (Volatile.Read(ref _state->Stopping) != 0)
                return;
            if ((call & Closed) != 0)
            {
                seen = call & Generation;
                continue;
            }
            if (Interlocked.CompareExchange(ref _state->Call, call + 1, call) != call)
                continue;
            seen = call & Generation;
            _state->Run(this, _state->Job, worker);
            Interlocked.Decrement(ref _state->Call);
            spins = 0;
        }
    }

    // Parked counts the sleepers that nobody wakes yet. Whoever lowers it owes a permit for each, so that permits never pile
    // up and no sleeper is forgotten.
    private void Park(long seen)
    {
        Interlocked.Increment(ref _state->Parked);
        if ((Volatile.Read(ref _state->Call) & Generation) == seen || !Unpark())
            _wake.Wait();
    }

    // False where a call has counted this worker among the sleepers: its permit is on the way.
    private bool Unpark()
    {
        while (true)
        {
            int parked = Volatile.Read(ref _state->Parked);
            if (parked == 0)
                return false;
            if (Interlocked.CompareExchange(ref _state->Parked, parked - 1, parked) == parked)
                return true;
        }
    }

    private static void Trampoline<TJob>(WorkerPool pool, void* job, int worker) where TJob : struct, IParallelJob
    {
        State* state = pool._state;
        try
        {
            ref TJob item = ref Unsafe.AsRef<TJob>(job);
            while (true)
            {
                long begin = Interlocked.Add(ref state->Next, state->Chunk) - state->Chunk;
                if (begin >= state->Items)
                    return;
                item.Run((int)begin, (int)Math.Min(begin + state->Chunk, state->Items), worker);
            }
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref pool._failure, e, null);
        }
    }

    private static void Pause(ref int spins)
    {
        // A worker that has lost its core needs ours to finish: give it up now and then.
        if (++spins % SpinsBeforePark == 0)
            Thread.Yield();
        else
            Thread.SpinWait(1);
    }

    /// <summary>What the threads share, each hot word on a cache line of its own.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 512)]
    private struct State
    {
        [FieldOffset(0)] public long Call;
        [FieldOffset(192)] public long Next;
        [FieldOffset(256)] public void* Job;
        [FieldOffset(264)] public delegate*<WorkerPool, void*, int, void> Run;
        [FieldOffset(272)] public int Items;
        [FieldOffset(276)] public int Chunk;
        [FieldOffset(320)] public int Parked;
        [FieldOffset(384)] public int Stopping;
    }
}
