using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>What chooses the next token, and moves on to it.</summary>
internal static class ChoiceOperations
{
    public static IEnumerable<Check> All() =>
    [
        OperationChecks.Of("ArgMax, Advance", "exact", Best),
        OperationChecks.Of("TopCandidates, TakeOut", "exact", Candidate),
    ];

    // Rounded, so that there are ties.
    private static float[] Logits(int rows, int width) => [.. new Random(width).Random((long)rows * width, scale: 30).Select(value => MathF.Round(value))];

    private static IEnumerable<OperationCase> Best(CheckedDevice device)
    {
        foreach ((int rows, int width) in device.Sizes([(2, 300)], [(1, 1), (2, 300), (7, 98304)]))
        {
            float[] logits = Logits(rows, width);
            yield return new($"{rows} × {width}", Bound.Exact, kernels =>
            {
                using Tensor x = kernels.Input(new Shape(rows, width), logits), ids = kernels.Integers(new Shape(rows));
                using Tensor counters = kernels.Integers(new Shape(2), [5, 1 << 20]);
                kernels.ArgMax(x, ids);
                kernels.Advance(counters, 3);
                return [.. ids.Read(), .. counters.Read()];
            });
        }
    }

    private static IEnumerable<OperationCase> Candidate(CheckedDevice device)
    {
        foreach ((int rows, int width, int k) in device.Sizes([(2, 300, 20)], [(1, 5, 3), (2, 300, 20), (3, 98304, 256)]))
        {
            float[] logits = new Random(width).Random((long)rows * width, scale: 30);
            yield return new($"{k} of {rows} × {width}", Bound.Exact, kernels =>
            {
                using Tensor x = kernels.Input(new Shape(rows, width), logits), values = kernels.Output(new Shape(rows, Candidates.Room));
                using Tensor numbers = kernels.Integers(new Shape(rows, 1 + Candidates.Room));
                kernels.TopCandidates(x, k, values, numbers);
                int[] all = numbers.ReadIntegers();
                double[] best = values.Read();
                List<double> result = [];
                for (int row = 0; row < rows; row++)
                {
                    int count = all[row * (1 + Candidates.Room)];
                    result.Add(count);
                    for (int i = 0; i < count; i++)
                        result.AddRange([all[row * (1 + Candidates.Room) + 1 + i], best[row * Candidates.Room + i]]);
                }
                using Tensor one = kernels.Input(new Shape(1, width), logits.AsSpan(0, width)), ids = kernels.Integers(new Shape(2), [3, 0]), taken = kernels.Output(new Shape(2));
                kernels.TakeOut(one, ids, taken);
                return [.. result, .. taken.Read(), .. one.Read()];
            });
        }
    }
}
