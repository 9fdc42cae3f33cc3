using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // What shared memory of a group holds; the released model has 64.
    private const int MostExperts = 1024;

    private readonly GpuKernel<RouteArguments> _route = new("Route", RouteKernel);

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">There are more than 1,024 experts.</exception>
    public void Route(Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias = null)
    {
        CheckExperts(logits.Columns);
        _route.Run(_device, logits.Rows, 1, Threads, RouteArgumentsOf(logits, k, renormalize, probabilities, experts, weights, bias));
    }

    private static RouteArguments RouteArgumentsOf(
        Tensor logits, int k, bool renormalize, Tensor probabilities, Tensor experts, Tensor weights, Tensor? bias) => new()
        {
            Logits = logits.View<float>(),
            Probabilities = probabilities.View<float>(),
            Experts = experts.View<int>(),
            Weights = weights.View<float>(),
            // A view of something valid where there is none: OpenCL takes no empty ones.
            Bias = (bias ?? logits).View<float>(),
            HasBias = bias is null ? 0 : 1,
            Count = logits.Columns,
            Slots = k,
            Renormalize = renormalize ? 1 : 0,
        };

    private static void CheckExperts(int count)
    {
        if (count > MostExperts)
            throw new InvalidInputException($"The model has {count} experts in a layer; the device kernels route to at most {MostExperts}.");
    }

    /// <summary>
    /// One group for each token. An expert's place is the number of experts before it in the order that the contract asks for, so
    /// nothing is sorted.
    /// </summary>
    private static void RouteKernel(RouteArguments a)
    {
        ArrayView<float> score = SharedMemory.Allocate<float>(MostExperts);
        ArrayView<float> chosen = SharedMemory.Allocate<float>(MostExperts);
        ArrayView<float> shared = SharedMemory.Allocate<float>(Threads);
        ArrayView<int> experts = SharedMemory.Allocate<int>(MostExperts);
        RouteToken(a, Grid.IdxX, score, chosen, shared, experts);
    }

    /// <summary>Routes a token by all threads of a group; its experts are left in shared memory too.</summary>
    private static void RouteToken(
        RouteArguments a, int token, ArrayView<float> score, ArrayView<float> chosen, ArrayView<float> shared, ArrayView<int> experts)
    {
        long first = (long)token * a.Count, firstSlot = (long)token * a.Slots;
        float maximum = float.NegativeInfinity, sum = 0;
        for (int e = Group.IdxX; e < a.Count; e += Threads)
            maximum = a.Logits[first + e] > maximum ? a.Logits[first + e] : maximum;
        maximum = DeviceMath.GroupMax(shared, maximum);
        for (int e = Group.IdxX; e < a.Count; e += Threads)
            sum += DeviceMath.Exp(a.Logits[first + e] - maximum);
        sum = DeviceMath.GroupSum(shared, sum);
        for (int e = Group.IdxX; e < a.Count; e += Threads)
        {
            float probability = DeviceMath.Exp(a.Logits[first + e] - maximum) / sum;
            a.Probabilities[first + e] = probability;
            score[e] = a.HasBias != 0 ? probability + a.Bias[e] : probability;
        }
        Group.Barrier();
        for (int e = Group.IdxX; e < a.Count; e += Threads)
        {
            int place = 0;
            for (int other = 0; other < a.Count; other++)
            {
                // Where neither is larger (equal, or a NaN) the lower index is before.
                if (score[other] > score[e] || (!(score[e] > score[other]) && other < e))
                    place++;
            }
            if (place < a.Slots)
            {
                chosen[place] = a.Probabilities[first + e];
                experts[place] = e;
                a.Experts[firstSlot + place] = e;
            }
        }
        Group.Barrier();
        float chosenSum = 1;
        if (a.Renormalize != 0)
        {
            chosenSum = 0;
            for (int slot = 0; slot < a.Slots; slot++)
                chosenSum += chosen[slot];
        }
        for (int slot = Group.IdxX; slot < a.Slots; slot += Threads)
            a.Weights[firstSlot + slot] = chosen[slot] / chosenSum;
    }

    internal struct RouteArguments
    {
        public ArrayView<float> Logits;
        public ArrayView<float> Probabilities;
        public ArrayView<int> Experts;
        public ArrayView<float> Weights;
        public ArrayView<float> Bias;
        public int HasBias;
        public int Count;
        public int Slots;
        public int Renormalize;
    }
}
