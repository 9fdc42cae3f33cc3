using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // One group routes that many tokens one after the other and then sorts their pairs, which fit into shared memory.
    private const int MostRoutedTokens = 16;
    private const int MostRoutedPairs = 256;

    private readonly GpuKernel<RouteAndDispatchArguments> _routeAndDispatch = new("RouteAndDispatch", RouteAndDispatchKernel);
    private readonly GpuKernel<CombineAddArguments> _combineAdd = new("CombineAdd", CombineAddKernel);

    /// <inheritdoc/>
    /// <exception cref="InvalidInputException">There are more than 1,024 experts.</exception>
    public void RouteAndDispatch(Tensor logits, bool renormalize, in RoutingTensors routing, Tensor? bias)
    {
        int tokens = logits.Rows, slots = routing.Weights.Columns;
        if (tokens == 0 || tokens > MostRoutedTokens || tokens * slots > MostRoutedPairs)
        {
            Composition.RouteAndDispatch(this, logits, renormalize, routing, bias);
            return;
        }
        CheckExperts(logits.Columns);
        RouteAndDispatchArguments arguments = new()
        {
            Route = RouteArgumentsOf(logits, slots, renormalize, routing.Probabilities, routing.Experts, routing.Weights, bias),
            Offsets = routing.Offsets.View<int>(),
            Order = routing.Order.View<int>(),
            Place = routing.Place.View<int>(),
            Tokens = tokens,
        };
        _routeAndDispatch.Run(_device, 1, 1, Threads, arguments);
    }

    /// <inheritdoc/>
    public void CombineAdd(Tensor rows, Tensor place, Tensor weights, Tensor residual, Tensor y, IWorkspace workspace)
    {
        CombineAddArguments arguments = new()
        {
            Combine = CombineArgumentsOf(rows, place, weights, y),
            Residual = residual.View<float>(),
        };
        _combineAdd.Run(_device, Groups(y.Count), 1, Threads, arguments);
    }

    /// <summary>One group: <see cref="RouteKernel"/> for each token, then the counting sort of <see cref="DispatchKernel"/>.</summary>
    private static void RouteAndDispatchKernel(RouteAndDispatchArguments a)
    {
        ArrayView<float> score = SharedMemory.Allocate<float>(MostExperts);
        ArrayView<float> chosen = SharedMemory.Allocate<float>(MostExperts);
        ArrayView<float> shared = SharedMemory.Allocate<float>(Threads);
        ArrayView<int> pairs = SharedMemory.Allocate<int>(MostRoutedPairs);
        ArrayView<int> next = SharedMemory.Allocate<int>(MostExperts);
        int count = a.Tokens * a.Route.Slots;
        for (int token = 0; token < a.Tokens; token++)
        {
            RouteToken(a.Route, token, score, chosen, shared, pairs.SubView(token * a.Route.Slots, a.Route.Slots));
            Group.Barrier();
        }
        for (int e = Group.IdxX; e < a.Route.Count; e += Threads)
        {
            int found = 0;
            for (int i = 0; i < count; i++)
                found += pairs[i] == e ? 1 : 0;
            next[e] = found;
        }
        Group.Barrier();
        StartExperts(next, a.Offsets, a.Route.Count);
        for (int e = Group.IdxX; e < a.Route.Count; e += Threads)
            PlacePairs(pairs, count, 0, e, next, a.Order, a.Place);
    }

    /// <summary>One thread for each element of y: <see cref="CombineKernel"/> and the residual.</summary>
    private static void CombineAddKernel(CombineAddArguments a)
    {
        long i = (long)Grid.IdxX * Threads + Group.IdxX;
        if (i < a.Combine.Y.Length)
            a.Combine.Y[i] = a.Residual[i] + Combined(a.Combine, i);
    }

    internal struct RouteAndDispatchArguments
    {
        public RouteArguments Route;
        public ArrayView<int> Offsets;
        public ArrayView<int> Order;
        public ArrayView<int> Place;
        public int Tokens;
    }

    internal struct CombineAddArguments
    {
        public CombineArguments Combine;
        public ArrayView<float> Residual;
    }
}
