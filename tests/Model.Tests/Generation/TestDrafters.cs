using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model.Tests;

/// <summary>A drafter that needs no model.</summary>
internal abstract class TestDrafter : IDrafter
{
    public string Name => GetType().Name;

    public int ReusableLength(int length) => length;

    public void Reset(int length) { }

    public void Observe(Tensor states, int firstRow, int count, int position, ReadOnlySpan<int> tokens) { }

    public void Draft(int count, TokenHistory history, ISampler sampler, ulong seed, DraftRun run)
    {
        run.Clear();
        for (int i = 0; i < count; i++)
            run.AddCertain(Next(history.Count + i));
    }

    public void Dispose() { }

    protected abstract int Next(int position);
}

/// <summary>Knows the answer.</summary>
internal sealed class OracleDrafter(int[] sequence) : TestDrafter
{
    protected override int Next(int position) => position < sequence.Length ? sequence[position] : 0;
}

/// <summary>Knows the answer and always says something else.</summary>
internal sealed class HostileDrafter(int[] sequence, int vocabulary) : TestDrafter
{
    protected override int Next(int position) => ((position < sequence.Length ? sequence[position] : 0) + 1) % vocabulary;
}

/// <summary>Guesses, and is right now and then.</summary>
internal sealed class RandomDrafter(int[] sequence, int vocabulary, ulong seed) : TestDrafter
{
    protected override int Next(int position) =>
        position < sequence.Length && Philox.Uniform(seed, (ulong)position, 7) < 0.6
            ? sequence[position]
            : (int)(Philox.Bits(seed, (ulong)position, 8) % (ulong)vocabulary);
}

/// <summary>Keeps the drafts of every pass.</summary>
internal sealed class RecordingDrafter(IDrafter inner, List<int[]> runs) : IDrafter
{
    public string Name => inner.Name;

    public int ReusableLength(int length) => inner.ReusableLength(length);

    public void Reset(int length) => inner.Reset(length);

    public void Observe(Tensor states, int firstRow, int count, int position, ReadOnlySpan<int> tokens) =>
        inner.Observe(states, firstRow, count, position, tokens);

    public void Draft(int count, TokenHistory history, ISampler sampler, ulong seed, DraftRun run)
    {
        inner.Draft(count, history, sampler, seed, run);
        runs.Add(run.Ids.ToArray());
    }

    public void Dispose() => inner.Dispose();
}
