namespace Mellum2.Managed.Training;

/// <summary>
/// Work on many threads whose results are taken in the order of the items, so that what comes out does not depend on how many
/// threads there were. A bounded number of items is under way.
/// </summary>
internal static class OrderedPipeline
{
    // How many items may wait for a slow one before them.
    private const int WindowPerThread = 4;

    /// <summary>Runs <paramref name="work"/> for every item and <paramref name="take"/>, on the calling thread, for every result.</summary>
    /// <param name="items">The items; enumerated on the calling thread.</param>
    /// <param name="threads">How many items are worked on at once; 1 works on the calling thread alone.</param>
    /// <param name="work">Must depend on its item alone.</param>
    /// <param name="take">Takes the results in order.</param>
    /// <param name="cancel">Ends the run after the item that is taken.</param>
    public static void Run<TItem, TResult>(
        IEnumerable<TItem> items, int threads, Func<TItem, TResult> work, Action<TResult> take, CancellationToken cancel)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        if (threads == 1)
        {
            foreach (TItem item in items)
            {
                cancel.ThrowIfCancellationRequested();
                take(work(item));
            }
            return;
        }
        TaskFactory factory = new(new ConcurrentExclusiveSchedulerPair(TaskScheduler.Default, threads).ConcurrentScheduler);
        Queue<Task<TResult>> underWay = new();
        try
        {
            foreach (TItem item in items)
            {
                cancel.ThrowIfCancellationRequested();
                underWay.Enqueue(factory.StartNew(() => work(item), CancellationToken.None));
                if (underWay.Count == threads * WindowPerThread)
                    take(underWay.Dequeue().GetAwaiter().GetResult());
            }
            while (underWay.TryDequeue(out Task<TResult>? task))
            {
                cancel.ThrowIfCancellationRequested();
                take(task.GetAwaiter().GetResult());
            }
        }
        finally
        {
            // The first failure in order is the one that is reported; nothing may still run when the caller cleans up.
            foreach (Task<TResult> task in underWay)
                ((IAsyncResult)task).AsyncWaitHandle.WaitOne();
        }
    }
}
