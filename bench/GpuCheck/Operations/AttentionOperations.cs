using Mellum2.Managed.Kernels.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Attention: whole and in a window, in one piece and in splits of the keys, from a cache that grows and from a ring.</summary>
internal static class AttentionOperations
{
    // What a slot holds that nobody wrote: it must not get into a result.
    private const double Spoil = 3e38;

    public static IEnumerable<Check> All() =>
    [
        OperationChecks.Of("Attention, AppendKeyValues", "10⁻⁵", device => Cases(device, wantsLogSumExp: false)),
        OperationChecks.Of("Attention, log-sum-exp", "2·10⁻⁶ of the result and 2·10⁻⁶", device => Cases(device, wantsLogSumExp: true)),
        OperationChecks.Of("Attention of a ring and at a position on the device", "the bits of the whole cache", Rings),
    ];

    private static AttentionCase Create(int heads, int kvHeads, int dimension, int window, bool isBFloat16, int total)
    {
        Random random = new(dimension + window);
        return new(heads, kvHeads, dimension, window, isBFloat16, random.Random((long)total * kvHeads * dimension, scale: 2), random.Random((long)total * kvHeads * dimension));
    }

    private static IEnumerable<OperationCase> Cases(CheckedDevice device, bool wantsLogSumExp)
    {
        // More than 512 positions are walked in splits of their own where there are few queries.
        (int Rows, int Cached, int Heads, int KvHeads, int Dimension, int Window, bool IsBFloat16)[] cases = device.Sizes(
            [(3, 70, 2, 1, 20, 0, true), (2, 511, 1, 1, 7, 90, false)],
            [
                (1, 0, 1, 1, 1, 0, false), (9, 0, 4, 2, 20, 4, false), (3, 70, 2, 1, 65, 0, true), (2, 511, 2, 2, 7, 0, false), (3, 600, 4, 2, 9, 90, false),
                (1, 2000, 2, 1, 256, 0, true), (8, 1500, 8, 2, 128, 1024, true), (200, 700, 4, 2, 128, 512, true), (150, 0, 4, 1, 128, 0, false),
            ]);
        foreach (var (rows, cached, heads, kvHeads, dimension, window, isBFloat16) in cases)
        {
            AttentionCase sequence = Create(heads, kvHeads, dimension, window, isBFloat16, cached + rows);
            float[] q = new Random(rows).Random((long)rows * heads * dimension);
            yield return new(
                $"{rows} rows behind {cached}, {heads} heads on {kvHeads} of {dimension}, window {window}, {(isBFloat16 ? "BF16" : "F32")} cache",
                wantsLogSumExp ? new(2e-6, 2e-6) : new(0, 1e-5),
                kernels => sequence.Run(kernels, q, cached, [rows]) is var result && wantsLogSumExp ? result.LogSumExp : result.Output);
        }
    }

    private static IEnumerable<OperationCase> Rings(CheckedDevice device)
    {
        const int Rows = 3, Dimension = 6;
        foreach ((int window, int ring, int cached) in device.Sizes([(30, 128, 530)], [(0, 0, 511), (0, 0, 1050), (30, 128, 1050), (600, 704, 1000)]))
        {
            AttentionCase sequence = Create(2, 1, Dimension, window, isBFloat16: true, cached + Rows);
            float[] q = new Random(ring).Random(Rows * 2 * Dimension);
            string what = $"{Rows} rows behind {cached}, window {window}, ring of {ring}";
            double[] Whole(Kernels.IForwardKernels kernels) => sequence.Run(kernels, q, cached, [Rows]).Output;
            yield return new(what, new(0, 1e-5), Whole) { Same = kernels => sequence.Run(kernels, q, cached, [Rows], ring, Spoil, cached + Rows, onDevice: true).Output };
            yield return new($"{what}, one by one", new(0, 1e-5), Whole) { Same = kernels => sequence.Run(kernels, q, cached, [1, 1, 1], ring, Spoil).Output };
        }
    }
}
