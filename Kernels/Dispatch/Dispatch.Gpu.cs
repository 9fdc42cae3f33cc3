using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly GpuKernel<DispatchArguments> _dispatch = new("Dispatch", DispatchKernel);
    private readonly GpuKernel<CombineArguments> _combine = new("Combine", CombineKernel);

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">There are more than 1,024 experts.</exception>
    public void Dispatch(Tensor experts, Tensor offsets, Tensor order, Tensor place)
    {
        CheckExperts((int)offsets.Count - 1);
        DispatchArguments arguments = new()
        {
            // Without a token there is nothing but offsets to write.
            Experts = experts.Count == 0 ? offsets.View<int>() : experts.View<int>(),
            Offsets = offsets.View<int>(),
            Order = experts.Count == 0 ? offsets.View<int>() : order.View<int>(),
            Place = experts.Count == 0 ? offsets.View<int>() : place.View<int>(),
            Pairs = checked((int)experts.Count),
            Count = (int)offsets.Count - 1,
        };
        _dispatch.Run(_device, 1, 1, Threads, arguments);
    }

    /// <inheritdoc/>
    public void Combine(Tensor rows, Tensor place, Tensor weights, Tensor y) =>
        _combine.Run(_device, Groups(y.Count), 1, Threads, CombineArgumentsOf(rows, place, weights, y));

    private static CombineArguments CombineArgumentsOf(Tensor rows, Tensor place, Tensor weights, Tensor y) => new()
    {
        Rows = rows.View<float>(),
        Place = place.View<int>(),
        Weights = weights.View<float>(),
        Y = y.View<float>(),
        Width = y.Columns,
        Slots = weights.Columns,
    };

    /// <summary>
    /// A counting sort by one group: thread t counts and places the pairs of experts t, t + 64, …; pairs are in shared memory 64 at
    /// a time. Stable and without atomics, so that the order is the same every time.
    /// </summary>
    private static void DispatchKernel(DispatchArguments a)
    {
        ArrayView<int> pairs = SharedMemory.Allocate<int>(Threads);
        ArrayView<int> next = SharedMemory.Allocate<int>(MostExperts);
        for (int e = Group.IdxX; e < a.Count; e += Threads)
            next[e] = 0;
        for (int begin = 0; begin < a.Pairs; begin += Threads)
        {
            int count = LoadPairs(a, begin, pairs);
            for (int e = Group.IdxX; e < a.Count; e += Threads)
            {
                int found = 0;
                for (int i = 0; i < count; i++)
                    found += pairs[i] == e ? 1 : 0;
                next[e] += found;
            }
            Group.Barrier();
        }
        Group.Barrier();
        StartExperts(next, a.Offsets, a.Count);
        for (int begin = 0; begin < a.Pairs; begin += Threads)
        {
            int count = LoadPairs(a, begin, pairs);
            for (int e = Group.IdxX; e < a.Count; e += Threads)
                PlacePairs(pairs, count, begin, e, next, a.Order, a.Place);
            Group.Barrier();
        }
    }

    /// <summary>Makes the number of each expert's pairs the row where they begin; with a barrier at the end.</summary>
    private static void StartExperts(ArrayView<int> next, ArrayView<int> offsets, int experts)
    {
        if (Group.IdxX == 0)
        {
            int row = 0;
            for (int e = 0; e < experts; e++)
            {
                int count = next[e];
                next[e] = row;
                offsets[e] = row;
                row += count;
            }
            offsets[experts] = row;
        }
        Group.Barrier();
    }

    /// <summary>Gives the pairs of an expert the next rows; the first of the pairs is <paramref name="begin"/>.</summary>
    private static void PlacePairs(
        ArrayView<int> pairs, int count, int begin, int expert, ArrayView<int> next, ArrayView<int> order, ArrayView<int> place)
    {
        int row = next[expert];
        for (int i = 0; i < count; i++)
        {
            if (pairs[i] == expert)
            {
                order[row] = begin + i;
                place[begin + i] = row;
                row++;
            }
        }
        next[expert] = row;
    }

    private static int LoadPairs(DispatchArguments a, int begin, ArrayView<int> pairs)
    {
        int count = IntrinsicMath.Min(Threads, a.Pairs - begin);
        if (Group.IdxX < count)
            pairs[Group.IdxX] = a.Experts[begin + Group.IdxX];
        Group.Barrier();
        return count;
    }

    /// <summary>One thread for each element of y.</summary>
    private static void CombineKernel(CombineArguments a)
    {
        long i = (long)Grid.IdxX * Threads + Group.IdxX;
        if (i < a.Y.Length)
            a.Y[i] = Combined(a, i);
    }

    private static float Combined(CombineArguments a, long i)
    {
        long token = i / a.Width, column = i % a.Width;
        float sum = 0;
        for (int slot = 0; slot < a.Slots; slot++)
        {
            long pair = token * a.Slots + slot;
            sum = a.Weights[pair] * a.Rows[(long)a.Place[pair] * a.Width + column] + sum;
        }
        return sum;
    }

    internal struct DispatchArguments
    {
        public ArrayView<int> Experts;
        public ArrayView<int> Offsets;
        public ArrayView<int> Order;
        public ArrayView<int> Place;
        public int Pairs;
        public int Count;
    }

    internal struct CombineArguments
    {
        public ArrayView<float> Rows;
        public ArrayView<int> Place;
        public ArrayView<float> Weights;
        public ArrayView<float> Y;
        public int Width;
        public int Slots;
    }
}
