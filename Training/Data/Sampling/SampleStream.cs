using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>How a stream gives its samples.</summary>
public sealed record StreamOptions
{
    /// <summary>The key of the order.</summary>
    public ulong Seed { get; init; }

    /// <summary>The rows of a batch.</summary>
    public int BatchSize { get; init; } = 1;

    /// <summary>How positions are counted.</summary>
    public PositionMode Positions { get; init; } = PositionMode.Restart;

    /// <summary>How many batches a thread of its own reads ahead; 0 reads when asked. The batches are the same.</summary>
    public int Prefetch { get; init; }
}

/// <summary>
/// The batches of a training: packed samples of several sources in the shares of a plan, shuffled without being loaded. What comes
/// depends on data, plan and seed alone; a stream that starts from a state gives what the one that gave the state would have given.
/// For use by one thread.
/// </summary>
public sealed class SampleStream : IDisposable
{
    private readonly SampleCursor _cursor;
    private readonly BlockingCollection<SampleBatch> _free = [], _ready = [];
    private readonly CancellationTokenSource _stop = new();
    private readonly Thread? _reader;
    private ExceptionDispatchInfo? _failure;
    private SampleBatch? _current;

    /// <summary>Opens a stream.</summary>
    /// <param name="sources">Packed data sets; the stream does not dispose of them.</param>
    /// <param name="plan">How much of each.</param>
    /// <param name="options">How.</param>
    /// <param name="state">Where to go on; null for the beginning.</param>
    /// <exception cref="InvalidInputException">The sources do not go together or with the plan, or the state is of another stream.</exception>
    public SampleStream(IReadOnlyList<TokenDataset> sources, MixturePlan plan, StreamOptions options, StreamState? state = null)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.BatchSize, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(options.Prefetch, nameof(options));
        _cursor = new SampleCursor(sources, plan, options, state);
        State = _cursor.State;
        for (int i = 0; i <= options.Prefetch; i++)
            _free.Add(new SampleBatch(options.BatchSize, sources[0].SequenceLength, sources[0].EndId));
        if (options.Prefetch == 0)
            return;
        _reader = new Thread(ReadAhead) { IsBackground = true, Name = "Sample reader" };
        _reader.Start();
    }

    /// <summary>The position behind the batch that <see cref="Next"/> gave last, however far was read ahead.</summary>
    public StreamState State { get; private set; }

    /// <summary>The next batch, valid until the next call; null at the end of the plan.</summary>
    /// <exception cref="InvalidInputException">A file is damaged.</exception>
    public SampleBatch? Next()
    {
        if (_current is not null)
            _free.Add(_current);
        _current = null;
        if (_reader is null)
        {
            SampleBatch batch = _free.Take();
            if (_cursor.Read(batch))
                _current = batch;
            else
                _free.Add(batch);
        }
        else if (!_ready.TryTake(out _current, Timeout.Infinite))
            _failure?.Throw();
        if (_current is not null)
            State = _current.State;
        return _current;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stop.Cancel();
        _reader?.Join();
        _stop.Dispose();
        _free.Dispose();
        _ready.Dispose();
    }

    private void ReadAhead()
    {
        try
        {
            while (true)
            {
                SampleBatch batch = _free.Take(_stop.Token);
                if (!_cursor.Read(batch))
                    break;
                _ready.Add(batch);
            }
        }
        catch (OperationCanceledException)
        {
            // The stream is disposed of.
        }
        catch (Exception e)
        {
            _failure = ExceptionDispatchInfo.Capture(e);
        }
        finally
        {
            _ready.CompleteAdding();
        }
    }
}
