namespace Mellum2.Managed.Engine;

/// <summary>
/// Independent items 0 … count − 1 of one kernel call. A struct, so that handing it to a <see cref="WorkerPool"/>
/// allocates nothing. Every item must give the same bits whichever worker runs it and whichever items it shares a
/// call with.
/// </summary>
public interface IParallelJob
{
    /// <summary>Runs the items from <paramref name="begin"/> up to, not including, <paramref name="end"/>.</summary>
    /// <param name="begin">The first item.</param>
    /// <param name="end">The item after the last.</param>
    /// <param name="worker">Which worker runs: an index below <see cref="WorkerPool.Count"/>, for scratch memory.</param>
    void Run(int begin, int end, int worker);
}
