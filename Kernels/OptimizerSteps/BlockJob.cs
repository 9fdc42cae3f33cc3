using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>What is done with consecutive elements; elements are independent of each other.</summary>
internal interface IBlockOperation
{
    /// <summary>Works on elements <paramref name="begin"/> … <paramref name="end"/> − 1; begin is a multiple of 16.</summary>
    void Run(long begin, long end);
}

/// <summary>Cuts elements into blocks whose borders do not depend on the number of workers. Item = block.</summary>
internal readonly struct BlockJob<TOperation>(TOperation operation, long count) : IParallelJob where TOperation : struct, IBlockOperation
{
    /// <summary>The elements of a block: long enough to outweigh the claim, short enough to balance.</summary>
    public const int Length = 1 << 14;

    /// <summary>Runs <paramref name="operation"/> over <paramref name="count"/> elements.</summary>
    public static void Run(WorkerPool pool, TOperation operation, long count)
    {
        BlockJob<TOperation> job = new(operation, count);
        pool.For(ref job, Blocks(count));
    }

    /// <summary>The number of blocks.</summary>
    public static int Blocks(long count) => checked((int)((count + Length - 1) / Length));

    /// <inheritdoc/>
    public void Run(int begin, int end, int worker)
    {
        for (long block = begin; block < end; block++)
            operation.Run(block * Length, Math.Min((block + 1) * Length, count));
    }
}
