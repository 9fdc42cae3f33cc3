using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Mellum2.Managed.Engine;

/// <summary>
/// Threads made for kernels: a fork and join takes well under a microsecond while they spin, and they park when
/// nothing comes for a while. The calling thread is worker 0. Items are claimed in chunks from a shared counter, so a
/// worker whose core is taken away by another process does not hold up the rest for longer than a chunk.
/// One call at a time; nothing is allocated per call.
/// </summary>
public sealed unsafe class WorkerPool : IDisposable
{
    // How often a waiting thread looks before it parks or yields: about 100 µs, longer than the gaps between the
    // kernels of a token and short enough not to steal a core for long.
    private const int SpinsBeforePark = 4000;

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
    /// exception in a worker is thrown here, after all have stopped.
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
        Interlocked.Increment(ref _state->Generation);
        _wake.Release(Math.Max(_threads.Length, 1));
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
        _state->Done = 0;
        Interlocked.Increment(ref _state->Generation);
        int parked = Volatile.Read(ref _state->Parked);
        if (parked > 0)
            _wake.Release(parked);
        run(this, job, 0);
        int spins = 0;
        while (Volatile.Read(ref _state->Done) != Count - 1)
            Pause(ref spins);
    }

    private void Work(int worker)
    {
        int seen = 0;
        while (true)
        {
            int spins = 0;
            while (Volatile.Read(ref _state->Generation) == seen)
            {
                if (++spins < SpinsBeforePark)
                {
                    Thread.SpinWait(1);
                    continue;
                }
                Interlocked.Increment(ref _state->Parked);
                if (Volatile.Read(ref _state->Generation) == seen)
                    _wake.Wait();
                Interlocked.Decrement(ref _state->Parked);
                spins = 0;
            }
            seen = Volatile.Read(ref _state->Generation);
            if (Volatile.Read(ref _state->Stopping) != 0)
                return;
            _state->Run(this, _state->Job, worker);
            Interlocked.Increment(ref _state->Done);
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
        [FieldOffset(0)] public int Generation;
        [FieldOffset(128)] public int Done;
        [FieldOffset(192)] public long Next;
        [FieldOffset(256)] public void* Job;
        [FieldOffset(264)] public delegate*<WorkerPool, void*, int, void> Run;
        [FieldOffset(272)] public int Items;
        [FieldOffset(276)] public int Chunk;
        [FieldOffset(320)] public int Parked;
        [FieldOffset(384)] public int Stopping;
    }
}
