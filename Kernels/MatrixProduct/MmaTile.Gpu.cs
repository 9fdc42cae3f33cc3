using ILGPU;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // 64 × 64 outputs of a group, 32 × 32 of each of its four warps, 32 columns at a time in two buffers: while one is multiplied,
    // weights are copied into the other and activations are on their way through registers, where they are split.
    private const int MmaTile = 64;
    private const int MmaTileThreads = 128;
    private const int MmaStep = 32;
    private const int MmaStepPairs = MmaStep / 2;

    // Of two matrices, a warp's tile has 16 rows each: a thread has both sums of its outputs.
    private const int MmaTileHalf = 16;

    // Words from a row of activations to the next: 64 bytes, and 16 against bank conflicts.
    private const int MmaActivationStride = 20;
    private const int MmaActivations = MmaTile * MmaActivationStride;

    /// <summary>
    /// Products for many rows on tensor cores; the order of the sums is that of
    /// <see cref="MmaSplitKernel{TMma, TTiles, TWeights, TForm}"/>.
    /// </summary>
    private static void MmaTileKernel<TMma, TTiles, TWeights, TForm>(ProductArguments a)
        where TMma : struct, IMma
        where TTiles : struct, ITiles
        where TWeights : struct, IMmaWeights
        where TForm : struct, IProductForm
    {
        ArrayView<uint> shared = TTiles.Allocate();
        ArrayView<uint> scratch = TMma.Scratch(shared);
        RowTile tile = a.Rows.Find(Grid.IdxY, MmaTile);
        if (tile.End <= tile.Begin)
            return;
        int buffer = 2 * MmaActivations + MmaTile * TWeights.StepStride, sources = 2 * buffer;
        if (Group.IdxX < MmaTile)
            shared[sources + Group.IdxX] = tile.Begin + Group.IdxX < tile.End ? (uint)a.Rows.Source(tile.Begin + Group.IdxX) : uint.MaxValue;
        Group.Barrier();
        int firstOutput = Grid.IdxX * (MmaTile / TForm.Matrices), steps = (a.Weights.Columns + MmaStep - 1) / MmaStep;
        int warp = Group.IdxX / MmaLanes, row = warp % 2 * 32, output = warp / 2 * 32;
        Sums32 upper = default, lower = default, totalUpper = default, totalLower = default;
        MmaCopyWeights<TTiles, TWeights, TForm>(a, shared, 2 * MmaActivations, tile.Expert, firstOutput, 0);
        TTiles.Commit();
        StepActivations.Load<TWeights>(a, shared, sources, 0).Store<TMma>(shared, 0);
        for (int step = 0; step < steps; step++)
        {
            int current = step % 2 * buffer, next = buffer - current;
            TTiles.WaitAll();
            Group.Barrier();
            // Behind the last step zeros are copied, which nobody reads.
            MmaCopyWeights<TTiles, TWeights, TForm>(a, shared, next + 2 * MmaActivations, tile.Expert, firstOutput, step + 1);
            TTiles.Commit();
            StepActivations ahead = StepActivations.Load<TWeights>(a, shared, sources, step + 1);

            int place = current + row * MmaActivationStride, weights = current + 2 * MmaActivations + output * TWeights.StepStride;
            Fragments w0 = TTiles.Load(shared, weights, TWeights.StepStride, 4, 8 * TWeights.StepStride), w1 = w0;
            if (TWeights.LoadsTwice)
                w1 = TTiles.Load(shared, weights + 8, TWeights.StepStride, 4, 8 * TWeights.StepStride);
            weights += 16 * TWeights.StepStride;
            Fragments w2 = TTiles.Load(shared, weights, TWeights.StepStride, 4, 8 * TWeights.StepStride), w3 = w2;
            if (TWeights.LoadsTwice)
                w3 = TTiles.Load(shared, weights + 8, TWeights.StepStride, 4, 8 * TWeights.StepStride);
            FragmentB b0 = TWeights.First(w0, w1), b1 = TWeights.FirstUpper(w0, w1);
            FragmentB b2 = TWeights.First(w2, w3), b3 = TWeights.FirstUpper(w2, w3);
            upper = upper.Add<TMma>(MmaActivation<TTiles>(shared, place), b0, b1, b2, b3, scratch);
            lower = lower.Add<TMma>(MmaActivation<TTiles>(shared, place + 16 * MmaActivationStride), b0, b1, b2, b3, scratch);
            b0 = TWeights.Second(w0, w1);
            b1 = TWeights.SecondUpper(w0, w1);
            b2 = TWeights.Second(w2, w3);
            b3 = TWeights.SecondUpper(w2, w3);
            upper = upper.Add<TMma>(MmaActivation<TTiles>(shared, place + 8), b0, b1, b2, b3, scratch);
            lower = lower.Add<TMma>(MmaActivation<TTiles>(shared, place + 8 + 16 * MmaActivationStride), b0, b1, b2, b3, scratch);
            ahead.Store<TMma>(shared, next);
            if (step % 2 == 1 || step + 1 == steps)
            {
                Sums32Scales scales = Sums32Scales.Load<TForm>(a, tile.Expert, firstOutput, output, step * MmaStep);
                totalUpper = upper.Scaled(scales, totalUpper);
                totalLower = lower.Scaled(scales, totalLower);
                upper = default;
                lower = default;
            }
        }
        TTiles.WaitAll();
        totalUpper.Store<TForm>(a, tile, tile.Begin + row, firstOutput, output);
        totalLower.Store<TForm>(a, tile, tile.Begin + row + 16, firstOutput, output);
    }

    // 32 columns of 64 outputs; what does not exist is zeros.
    private static void MmaCopyWeights<TTiles, TWeights, TForm>(ProductArguments a, ArrayView<uint> shared, int buffer, int expert, int output, int step)
        where TTiles : struct, ITiles
        where TWeights : struct, IMmaWeights
        where TForm : struct, IProductForm
    {
        int chunks = TWeights.StepWords / 4;
        for (int i = Group.IdxX; i < MmaTile * chunks; i += MmaTileThreads)
        {
            int row = i / chunks, word = i % chunks * 4, column = step * TWeights.StepWords + word;
            long index = MmaIndex<TForm>(a, expert, output, row, MmaTileHalf, column);
            TTiles.Copy(
                shared, buffer + row * TWeights.StepStride + word, a.Weights.Words, a.Weights.Address, IntrinsicMath.Max(index, 0L), index >= 0);
        }
    }

    private static SplitFragments MmaActivation<TTiles>(ArrayView<uint> shared, int place) where TTiles : struct, ITiles => new()
    {
        High = TTiles.Load(shared, place, MmaActivationStride, 8 * MmaActivationStride, 4),
        Low = TTiles.Load(shared, place + MmaActivations, MmaActivationStride, 8 * MmaActivationStride, 4),
    };
}
