using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Which token goes to which expert, and what comes back.</summary>
internal static class RoutingOperations
{
    public static IEnumerable<Check> All() =>
    [
        OperationChecks.Of("Route", "2⁻²⁰ of the result; the same experts", Routes),
        OperationChecks.Of("Dispatch", "exact", Dispatches),
        OperationChecks.Of("Combine", "10⁻⁶ of the result and 4·10⁻⁶", Combinations),
    ];

    /// <summary>Logits that are equal or differ by 1/64 at least, so that float32 and float64 choose alike.</summary>
    public static float[] Logits(Random random, int tokens, int experts) =>
        [.. random.Random((long)tokens * experts, scale: 2).Select(z => MathF.Round(z * 64) / 64)];

    private static IEnumerable<OperationCase> Routes(CheckedDevice device)
    {
        foreach ((int tokens, int experts, int k) in device.Sizes([(3, 17, 4)], [(1, 64, 8), (3, 17, 4), (33, 64, 8), (5, 1000, 12)]))
        {
            Random random = new(experts);
            float[] logits = Logits(random, tokens, experts), bias = random.Random(experts);
            foreach (bool renormalizes in (bool[])[true, false])
            {
                yield return new($"{tokens} tokens, {k} of {experts}, {(renormalizes ? "biased" : "plain")}", new(Math.ScaleB(1, -20), 0), kernels =>
                {
                    using Tensor x = kernels.Input(new Shape(tokens, experts), logits), b = kernels.Input(new Shape(experts), bias);
                    using Tensor p = kernels.Output(x.Shape), w = kernels.Output(new Shape(tokens, k)), chosen = kernels.Integers(new Shape(tokens, k));
                    kernels.Route(x, k, renormalizes, p, chosen, w, renormalizes ? b : null);
                    return [.. p.Read(), .. chosen.Read(), .. w.Read()];
                });
            }
        }
    }

    private static IEnumerable<OperationCase> Dispatches(CheckedDevice device)
    {
        foreach ((int tokens, int k, int experts) in device.Sizes([(7, 3, 5)], [(1, 8, 64), (7, 3, 5), (513, 8, 64)]))
        {
            Random random = new(tokens);
            int[] chosen = [.. Enumerable.Range(0, tokens * k).Select(_ => random.Next(experts))];
            yield return new($"{tokens} tokens, {k} of {experts}", Bound.Exact, kernels =>
            {
                using Tensor pairs = kernels.Integers(new Shape(tokens, k), chosen), offsets = kernels.Integers(new Shape(experts + 1));
                using Tensor order = kernels.Integers(new Shape(tokens * k)), place = kernels.Integers(new Shape(tokens * k));
                kernels.Dispatch(pairs, offsets, order, place);
                return [.. offsets.Read(), .. order.Read(), .. place.Read()];
            });
        }
    }

    private static IEnumerable<OperationCase> Combinations(CheckedDevice device)
    {
        foreach ((int tokens, int k, int width) in device.Sizes([(3, 2, 50)], [(1, 8, 2304), (3, 2, 50), (65, 8, 2304)]))
        {
            Random random = new(width);
            int[] place = [.. Enumerable.Range(0, tokens * k)];
            random.Shuffle(place);
            float[] rows = random.Random((long)tokens * k * width), weights = random.Random((long)tokens * k);
            yield return new($"{tokens} × {width}, {k} experts", new(1e-6, 4e-6), kernels =>
            {
                using Tensor x = kernels.Input(new Shape(tokens * k, width), rows), w = kernels.Input(new Shape(tokens, k), weights);
                using Tensor p = kernels.Integers(new Shape(tokens * k), place), y = kernels.Output(new Shape(tokens, width));
                kernels.Combine(x, p, w, y);
                return y.Read();
            });
        }
    }
}
