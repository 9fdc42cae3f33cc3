namespace Mellum2.Managed.Tests;

/// <summary>Counts managed memory.</summary>
public static class Allocations
{
    private const int Attempts = 10;

    /// <summary>
    /// The fewest bytes that this thread allocated in one of several calls, after one that warms up. A collection that
    /// another thread starts in the middle counts the rest of this thread's allocation buffer; what allocates by itself
    /// does so in every call.
    /// </summary>
    public static long Least(Action action)
    {
        action();
        long least = long.MaxValue;
        for (int attempt = 0; attempt < Attempts && least > 0; attempt++)
        {
            long before = GC.GetAllocatedBytesForCurrentThread();
            action();
            least = Math.Min(least, GC.GetAllocatedBytesForCurrentThread() - before);
        }
        return least;
    }
}
