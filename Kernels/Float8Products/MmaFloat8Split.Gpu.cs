using ILGPU;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // Every product is a sum, in order, of sums over this many columns, each of four instructions: the columns that a factor of the
    // weights stands for, and few enough for what a tensor core keeps of a sum.
    private const int Float8Block = WeightScales.BlockSize;
    private const int Float8BlockWords = Float8Block / sizeof(uint);

    // The words of the 32 columns of an instruction.
    private const int Float8StepWords = 8;

    // A group makes 16 outputs of up to 16 rows. Each of eight warps takes every eighth block of columns, with two buffers of its
    // own for the weights, and the blocks' sums are added in order.
    private const int Float8SplitTile = 16;
    private const int Float8SplitWarps = 8;
    private const int Float8SplitThreads = Float8SplitWarps * MmaLanes;

    // Words from a row to the next: a block, and 16 bytes against bank conflicts.
    private const int Float8SplitStride = Float8BlockWords + 4;
    private const int Float8SplitStage = Float8SplitTile * Float8SplitStride;
    private const int Float8SplitWords = Float8SplitWarps * (2 * Float8SplitStage + Float8SplitTile * Float8SplitTile);

    /// <summary>
    /// Products of codes for few rows: the weights come through shared memory, for it is their bytes that take the time; a word of
    /// x is used by one lane once, and comes from the cache. The order of the sums is that of
    /// <see cref="MmaFloat8TileKernel{TMma, TTiles}"/>.
    /// </summary>
    private static void MmaFloat8SplitKernel<TMma, TTiles>(MmaFloat8Arguments a)
        where TMma : struct, IMma
        where TTiles : struct, ITiles
    {
        ArrayView<uint> shared = TTiles.Allocate();
        ArrayView<uint> scratch = TMma.Scratch(shared);
        RowTile tile = a.Rows.Find(Grid.IdxY, Float8SplitTile);
        if (tile.End <= tile.Begin)
            return;
        int warp = Group.IdxX / MmaLanes, lane = Group.IdxX % MmaLanes, row = lane / 4, t = lane % 4;
        int output = Grid.IdxX * Float8SplitTile, buffer = warp * 2 * Float8SplitStage, sums = 2 * Float8SplitWarps * Float8SplitStage;
        int blocks = (a.Weights.RowWords + Float8BlockWords - 1) / Float8BlockWords;
        long upper = Float8Row(a, tile, tile.Begin + row), lower = Float8Row(a, tile, tile.Begin + row + 8);
        // Each thread adds up one output of one row.
        int ownRow = tile.Begin + Group.IdxX / Float8SplitTile, own = output + Group.IdxX % Float8SplitTile;
        long scaleRow = (long)tile.Expert * a.Weights.Rows + IntrinsicMath.Min(own, a.Weights.Rows - 1);
        float total = 0;
        Float8CopyBlock<TTiles>(a, shared, buffer, tile.Expert, output, warp);
        TTiles.Commit();
        for (int round = 0; round < blocks; round += Float8SplitWarps)
        {
            int other = round / Float8SplitWarps % 2, block = round + warp;
            Float8CopyBlock<TTiles>(a, shared, buffer + (1 - other) * Float8SplitStage, tile.Expert, output, block + Float8SplitWarps);
            TTiles.Commit();
            // All of them are under way while the weights are waited for.
            int word = block * Float8BlockWords + t, weights = buffer + other * Float8SplitStage;
            Fragments x0 = Float8Rows(a, upper, lower, word), x1 = Float8Rows(a, upper, lower, word + Float8StepWords);
            Fragments x2 = Float8Rows(a, upper, lower, word + 2 * Float8StepWords), x3 = Float8Rows(a, upper, lower, word + 3 * Float8StepWords);
            TTiles.WaitAllButLast();
            Group.Barrier();
            Float8Pair both = default;
            both = both.Add<TMma, TTiles>(x0, shared, weights, scratch);
            both = both.Add<TMma, TTiles>(x1, shared, weights + Float8StepWords, scratch);
            both = both.Add<TMma, TTiles>(x2, shared, weights + 2 * Float8StepWords, scratch);
            both = both.Add<TMma, TTiles>(x3, shared, weights + 3 * Float8StepWords, scratch);
            int place = sums + warp * Float8SplitTile * Float8SplitTile + row * Float8SplitTile + 2 * t;
            MmaKeep(shared, place, both.Left);
            MmaKeep(shared, place + 8, both.Right);
            Group.Barrier();
            int count = IntrinsicMath.Min(Float8SplitWarps, blocks - round);
            for (int i = 0; i < count; i++)
            {
                float sum = Interop.IntAsFloat(shared[sums + i * Float8SplitTile * Float8SplitTile + Group.IdxX]);
                total = sum * a.Weights.Scale(scaleRow, (round + i) * Float8Block) + total;
            }
        }
        TTiles.WaitAll();
        if (ownRow < tile.End && own < a.Weights.Rows)
            a.Y[(long)ownRow * a.Weights.Rows + own] = total * a.Inverses[a.Rows.Source(ownRow)];
    }

    /// <summary>A lane's part of 16 rows × 16 outputs.</summary>
    internal struct Float8Pair
    {
        public Accumulator Left;
        public Accumulator Right;

        /// <summary>These sums plus 32 columns of weights, which begin at <paramref name="place"/>.</summary>
        public readonly Float8Pair Add<TMma, TTiles>(Fragments x, ArrayView<uint> shared, int place, ArrayView<uint> scratch)
            where TMma : struct, IMma
            where TTiles : struct, ITiles
        {
            Fragments w = TTiles.Load(shared, place, Float8SplitStride, 4, 8 * Float8SplitStride);
            return new Float8Pair
            {
                Left = TMma.Float8(Left, x, new FragmentB { R0 = w.R0, R1 = w.R1 }, scratch),
                Right = TMma.Float8(Right, x, new FragmentB { R0 = w.R2, R1 = w.R3 }, scratch),
            };
        }
    }

    /// <summary>Where row <paramref name="row"/> of a tile begins in the codes of x; −1 behind its end.</summary>
    private static long Float8Row(MmaFloat8Arguments a, RowTile tile, int row) =>
        row < tile.End ? (long)a.Rows.Source(row) * a.Weights.RowWords : -1;

    // The left operand: words t of the first and of the second 16 columns in rows g and g + 8.
    private static Fragments Float8Rows(MmaFloat8Arguments a, long upper, long lower, int word) => new()
    {
        R0 = Float8RowWord(a, upper, word),
        R1 = Float8RowWord(a, lower, word),
        R2 = Float8RowWord(a, upper, word + 4),
        R3 = Float8RowWord(a, lower, word + 4),
    };

    private static uint Float8RowWord(MmaFloat8Arguments a, long row, int word)
    {
        uint codes = 0;
        if (row >= 0 && word < a.Weights.RowWords)
            codes = a.X[row + word];
        return codes;
    }

    // A warp copies a block of columns of 16 outputs; what does not exist is zeros.
    private static void Float8CopyBlock<TTiles>(MmaFloat8Arguments a, ArrayView<uint> shared, int buffer, int expert, int output, int block)
        where TTiles : struct, ITiles
    {
        const int Chunks = Float8BlockWords / 4;
        for (int i = Group.IdxX % MmaLanes; i < Float8SplitTile * Chunks; i += MmaLanes)
        {
            int row = i / Chunks, word = i % Chunks * 4, column = block * Float8BlockWords + word;
            bool inside = output + row < a.Weights.Rows && column < a.Weights.RowWords;
            long index = inside ? ((long)expert * a.Weights.Rows + output + row) * a.Weights.RowWords + column : 0;
            TTiles.Copy(shared, buffer + row * Float8SplitStride + word, a.Weights.Words, a.Weights.Address, index, inside);
        }
    }
}
