using ILGPU;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // 64 × 128 outputs of a group, 32 × 32 of each of its eight warps, 64 columns at a time in two buffers: while one is multiplied,
    // both operands are copied into the other. More outputs than rows, because an expert has few rows of a prompt.
    private const int Float8TileRows = 64;
    private const int Float8TileOutputs = 128;
    private const int Float8TileThreads = 256;
    private const int Float8TileWords = 16;

    // Words from a row to the next: 64 bytes, and 16 against bank conflicts.
    private const int Float8TileStride = Float8TileWords + 4;
    private const int Float8TileWeights = Float8TileRows * Float8TileStride;
    private const int Float8Buffer = Float8TileWeights + Float8TileOutputs * Float8TileStride;

    /// <summary>
    /// Products of codes for many rows. The sum of 128 columns is four instructions, one after the other from zero on; the sums of
    /// blocks, times the factors of the weights, are added in order: as in <see cref="MmaFloat8SplitKernel{TMma, TTiles}"/>.
    /// </summary>
    private static void MmaFloat8TileKernel<TMma, TTiles>(MmaFloat8Arguments a)
        where TMma : struct, IMma
        where TTiles : struct, ITiles
    {
        ArrayView<uint> shared = TTiles.Allocate();
        ArrayView<uint> scratch = TMma.Scratch(shared);
        RowTile tile = a.Rows.Find(Grid.IdxY, Float8TileRows);
        if (tile.End <= tile.Begin)
            return;
        int firstOutput = Grid.IdxX * Float8TileOutputs, steps = (a.Weights.RowWords + Float8TileWords - 1) / Float8TileWords;
        int warp = Group.IdxX / MmaLanes, row = warp % 2 * 32, output = warp / 2 * 32;
        Float8Copies copies = Float8Copies.Of(a, tile, firstOutput);
        Float8WarpSums sums = default, totals = default;
        copies.Begin<TTiles>(a, shared, 0, 0);
        TTiles.Commit();
        for (int step = 0; step < steps; step++)
        {
            int current = step % 2 * Float8Buffer;
            TTiles.WaitAll();
            Group.Barrier();
            // Behind the last step zeros are copied, which nobody reads.
            copies.Begin<TTiles>(a, shared, Float8Buffer - current, (step + 1) * Float8TileWords);
            TTiles.Commit();
            int x = current + row * Float8TileStride, w = current + Float8TileWeights + output * Float8TileStride;
            sums = sums.Add<TMma, TTiles>(shared, x, w, scratch);
            sums = sums.Add<TMma, TTiles>(shared, x + Float8StepWords, w + Float8StepWords, scratch);
            if (step % 2 == 1 || step + 1 == steps)
            {
                Float8Scales scales = Float8Scales.Load(a, tile.Expert, firstOutput + output, step / 2 * Float8Block);
                totals.Upper = sums.Upper.Scaled(scales, totals.Upper);
                totals.Lower = sums.Lower.Scaled(scales, totals.Lower);
                sums = default;
            }
        }
        TTiles.WaitAll();
        totals.Upper.Store(a, tile, tile.Begin + row, firstOutput + output);
        totals.Lower.Store(a, tile, tile.Begin + row + 16, firstOutput + output);
    }

    /// <summary>
    /// The three 16 bytes of a step that a thread copies: of row IdxX / 4 of the tile, and of the weights of outputs IdxX / 4 and that + 64.
    /// What does not exist is zeros.
    /// </summary>
    internal struct Float8Copies
    {
        private const int Chunks = Float8TileWords / 4;

        /// <summary>Where the row begins; −1 if there is none.</summary>
        public long Row;

        /// <summary>The same for the first output.</summary>
        public long First;

        /// <summary>The same for the second output.</summary>
        public long Second;

        public static Float8Copies Of(MmaFloat8Arguments a, RowTile tile, int firstOutput)
        {
            int own = Group.IdxX / Chunks;
            return new Float8Copies
            {
                Row = Float8Row(a, tile, tile.Begin + own),
                First = Output(a, tile.Expert, firstOutput + own),
                Second = Output(a, tile.Expert, firstOutput + own + Float8TileOutputs / 2),
            };
        }

        public readonly void Begin<TTiles>(MmaFloat8Arguments a, ArrayView<uint> shared, int buffer, int firstWord) where TTiles : struct, ITiles
        {
            int word = Group.IdxX % Chunks * 4, column = firstWord + word;
            int place = buffer + Group.IdxX / Chunks * Float8TileStride + word;
            bool inside = column < a.Weights.RowWords;
            Copy<TTiles>(shared, place, a.X, a.XAddress, Row, column, inside);
            Copy<TTiles>(shared, place + Float8TileWeights, a.Weights.Words, a.Weights.Address, First, column, inside);
            Copy<TTiles>(
                shared, place + Float8TileWeights + Float8TileOutputs / 2 * Float8TileStride, a.Weights.Words, a.Weights.Address, Second, column, inside);
        }

        private static long Output(MmaFloat8Arguments a, int expert, int output) =>
            output < a.Weights.Rows ? ((long)expert * a.Weights.Rows + output) * a.Weights.RowWords : -1;

        private static void Copy<TTiles>(
            ArrayView<uint> shared, int place, ArrayView<uint> source, long address, long row, int column, bool inside)
            where TTiles : struct, ITiles
        {
            bool exists = inside && row >= 0;
            TTiles.Copy(shared, place, source, address, exists ? row + column : 0, exists);
        }
    }

    /// <summary>A lane's part of the 32 rows × 32 outputs of a warp.</summary>
    internal struct Float8WarpSums
    {
        public Float8Sums Upper;
        public Float8Sums Lower;

        /// <summary>These sums plus 32 columns of rows at <paramref name="x"/> and of weights at <paramref name="w"/>.</summary>
        public readonly Float8WarpSums Add<TMma, TTiles>(ArrayView<uint> shared, int x, int w, ArrayView<uint> scratch)
            where TMma : struct, IMma
            where TTiles : struct, ITiles
        {
            Fragments w0 = TTiles.Load(shared, w, Float8TileStride, 4, 8 * Float8TileStride);
            Fragments w1 = TTiles.Load(shared, w + 16 * Float8TileStride, Float8TileStride, 4, 8 * Float8TileStride);
            Fragments x0 = TTiles.Load(shared, x, Float8TileStride, 8 * Float8TileStride, 4);
            Fragments x1 = TTiles.Load(shared, x + 16 * Float8TileStride, Float8TileStride, 8 * Float8TileStride, 4);
            return new Float8WarpSums { Upper = Upper.Add<TMma>(x0, w0, w1, scratch), Lower = Lower.Add<TMma>(x1, w0, w1, scratch) };
        }
    }

    /// <summary>A lane's part of 16 rows × 32 outputs.</summary>
    internal struct Float8Sums
    {
        public Accumulator S0;
        public Accumulator S1;
        public Accumulator S2;
        public Accumulator S3;

        /// <summary>These sums plus 32 columns: rows x, and outputs 0…15 and 16…31 of the weights.</summary>
        public readonly Float8Sums Add<TMma>(Fragments x, Fragments w0, Fragments w1, ArrayView<uint> scratch) where TMma : struct, IMma => new()
        {
            S0 = TMma.Float8(S0, x, new FragmentB { R0 = w0.R0, R1 = w0.R1 }, scratch),
            S1 = TMma.Float8(S1, x, new FragmentB { R0 = w0.R2, R1 = w0.R3 }, scratch),
            S2 = TMma.Float8(S2, x, new FragmentB { R0 = w1.R0, R1 = w1.R1 }, scratch),
            S3 = TMma.Float8(S3, x, new FragmentB { R0 = w1.R2, R1 = w1.R3 }, scratch),
        };

        public readonly Float8Sums Scaled(Float8Scales scales, Float8Sums totals) => new()
        {
            S0 = S0.Scaled(scales.F0, scales.F1, totals.S0),
            S1 = S1.Scaled(scales.F2, scales.F3, totals.S1),
            S2 = S2.Scaled(scales.F4, scales.F5, totals.S2),
            S3 = S3.Scaled(scales.F6, scales.F7, totals.S3),
        };

        public readonly void Store(MmaFloat8Arguments a, RowTile tile, int row, int output)
        {
            int lane = Group.IdxX % MmaLanes, first = output + lane % 4 * 2;
            StoreRow(a, tile, row + lane / 4, first, S0.X, S0.Y, S1.X, S1.Y, S2.X, S2.Y, S3.X, S3.Y);
            StoreRow(a, tile, row + lane / 4 + 8, first, S0.Z, S0.W, S1.Z, S1.W, S2.Z, S2.W, S3.Z, S3.W);
        }

        private static void StoreRow(
            MmaFloat8Arguments a, RowTile tile, int row, int first, float s0, float s1, float s2, float s3, float s4, float s5, float s6, float s7)
        {
            if (row >= tile.End)
                return;
            float inverse = a.Inverses[a.Rows.Source(row)];
            long place = (long)row * a.Weights.Rows;
            StoreTwo(a, place, first, s0 * inverse, s1 * inverse);
            StoreTwo(a, place, first + 8, s2 * inverse, s3 * inverse);
            StoreTwo(a, place, first + 16, s4 * inverse, s5 * inverse);
            StoreTwo(a, place, first + 24, s6 * inverse, s7 * inverse);
        }

        private static void StoreTwo(MmaFloat8Arguments a, long place, int output, float even, float odd)
        {
            if (output < a.Weights.Rows)
                a.Y[place + output] = even;
            if (output + 1 < a.Weights.Rows)
                a.Y[place + output + 1] = odd;
        }
    }

    /// <summary>The factors of a lane's eight outputs in a block of columns.</summary>
    internal struct Float8Scales
    {
        public float F0;
        public float F1;
        public float F2;
        public float F3;
        public float F4;
        public float F5;
        public float F6;
        public float F7;

        public static Float8Scales Load(MmaFloat8Arguments a, int expert, int output, int column)
        {
            int first = output + Group.IdxX % 4 * 2;
            return new Float8Scales
            {
                F0 = Of(a, expert, first, column),
                F1 = Of(a, expert, first + 1, column),
                F2 = Of(a, expert, first + 8, column),
                F3 = Of(a, expert, first + 9, column),
                F4 = Of(a, expert, first + 16, column),
                F5 = Of(a, expert, first + 17, column),
                F6 = Of(a, expert, first + 24, column),
                F7 = Of(a, expert, first + 25, column),
            };
        }

        private static float Of(MmaFloat8Arguments a, int expert, int output, int column) =>
            a.Weights.Scale((long)expert * a.Weights.Rows + IntrinsicMath.Min(output, a.Weights.Rows - 1), column);
    }
}
