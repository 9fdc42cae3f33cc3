using ILGPU;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // A group makes 16 outputs of up to 16 rows. Each of eight warps takes every eighth block of 64 columns, with two buffers of
    // its own for the weights, and the blocks' sums are added in order.
    private const int MmaSplitTile = 16;
    private const int MmaSplitWarps = 8;
    private const int MmaSplitThreads = MmaSplitWarps * MmaLanes;
    private const int MmaLanes = 32;

    // Of two matrices, eight outputs of each.
    private const int MmaSplitHalf = 8;

    /// <summary>
    /// Products for few rows on tensor cores. The activations are split in two bfloat16 each and multiplied one after the other,
    /// the small part first, in steps of 16 columns: the order of <see cref="MmaTileKernel{TMma, TTiles, TWeights, TForm}"/>.
    /// </summary>
    private static void MmaSplitKernel<TMma, TTiles, TWeights, TForm>(ProductArguments a)
        where TMma : struct, IMma
        where TTiles : struct, ITiles
        where TWeights : struct, IMmaWeights
        where TForm : struct, IProductForm => MmaSplit<TMma, TTiles, TWeights, TForm>(a);

    /// <summary><see cref="MmaSplitKernel{TMma, TTiles, TWeights, TForm}"/> of three matrices.</summary>
    private static void MmaSplitProjectKernel<TMma, TTiles, TWeights>(ProjectArguments a)
        where TMma : struct, IMma
        where TTiles : struct, ITiles
        where TWeights : struct, IMmaWeights => MmaSplit<TMma, TTiles, TWeights, PlainProduct>(a.Of(Grid.IdxX));

    private static void MmaSplit<TMma, TTiles, TWeights, TForm>(ProductArguments a)
        where TMma : struct, IMma
        where TTiles : struct, ITiles
        where TWeights : struct, IMmaWeights
        where TForm : struct, IProductForm
    {
        ArrayView<uint> shared = TTiles.Allocate();
        ArrayView<uint> scratch = TMma.Scratch(shared);
        RowTile tile = a.Rows.Find(Grid.IdxY, MmaSplitTile);
        if (tile.End <= tile.Begin)
            return;
        int warp = Group.IdxX / MmaLanes, lane = Group.IdxX % MmaLanes, row = lane / 4, t = lane % 4;
        int outputs = a.Outputs<TForm>(), output = (Grid.IdxX - a.FirstGroup) * (MmaSplitTile / TForm.Matrices);
        int columns = a.Weights.Columns, stage = MmaSplitTile * TWeights.BlockStride;
        int buffer = warp * 2 * stage, sums = 2 * MmaSplitWarps * stage;
        long upper = MmaRow(a, tile, tile.Begin + row), lower = MmaRow(a, tile, tile.Begin + row + 8);
        int blocks = (columns + ProductBlock - 1) / ProductBlock;
        // Each thread adds up the sums of one row of weights for one row of x; of two matrices, those of both, for half of the threads.
        int ownRow = tile.Begin + Group.IdxX / MmaSplitTile, place = Group.IdxX % MmaSplitTile;
        int own = output + TForm.Output(place, MmaSplitHalf), matrix = TForm.Matrix(place, MmaSplitHalf);
        long scaleRow = (long)tile.Expert * a.Weights.Rows + IntrinsicMath.Min(own, outputs - 1);
        float total = 0, other = 0;
        MmaCopyBlock<TTiles, TWeights, TForm>(a, shared, buffer, tile.Expert, output, warp);
        TTiles.Commit();
        for (int round = 0; round < blocks; round += MmaSplitWarps)
        {
            int current = round / MmaSplitWarps % 2, block = round + warp;
            MmaCopyBlock<TTiles, TWeights, TForm>(a, shared, buffer + (1 - current) * stage, tile.Expert, output, block + MmaSplitWarps);
            TTiles.Commit();
            TTiles.WaitAllButLast();
            Group.Barrier();
            Accumulator left = default, right = default;
            for (int half = 0; half < 2; half++)
            {
                int k = block * ProductBlock + half * 32, origin = buffer + current * stage + half * TWeights.StepWords;
                Fragments first = TTiles.Load(shared, origin, TWeights.BlockStride, 4, 8 * TWeights.BlockStride);
                Fragments second = first;
                if (TWeights.LoadsTwice)
                    second = TTiles.Load(shared, origin + 8, TWeights.BlockStride, 4, 8 * TWeights.BlockStride);
                SplitFragments x = SplitFragments.Load<TMma, TWeights>(a.X, upper, lower, k, t, columns);
                left = x.Multiply<TMma>(left, TWeights.First(first, second), scratch);
                right = x.Multiply<TMma>(right, TWeights.FirstUpper(first, second), scratch);
                x = SplitFragments.Load<TMma, TWeights>(a.X, upper, lower, k + 16, t, columns);
                left = x.Multiply<TMma>(left, TWeights.Second(first, second), scratch);
                right = x.Multiply<TMma>(right, TWeights.SecondUpper(first, second), scratch);
            }
            int kept = sums + warp * MmaSplitTile * MmaSplitTile + row * MmaSplitTile + 2 * t;
            MmaKeep(shared, kept, left);
            MmaKeep(shared, kept + 8, right);
            Group.Barrier();
            int count = IntrinsicMath.Min(MmaSplitWarps, blocks - round);
            for (int i = 0; i < count; i++)
            {
                int part = sums + i * MmaSplitTile * MmaSplitTile, column = (round + i) * ProductBlock;
                total = Interop.IntAsFloat(shared[part + Group.IdxX]) * a.Weights.Scale(scaleRow, column) + total;
                if (TForm.Matrices == 2)
                    other = Interop.IntAsFloat(shared[part + (Group.IdxX ^ MmaSplitHalf)]) * a.Weights.Scale(scaleRow + outputs, column) + other;
            }
        }
        TTiles.WaitAll();
        if (ownRow < tile.End && own < outputs && matrix == 0)
            TForm.Store(a, (long)ownRow * outputs + own, total, other);
    }

    /// <summary>Where row <paramref name="row"/> of a tile begins in x; −1 behind its end.</summary>
    private static long MmaRow(ProductArguments a, RowTile tile, int row) =>
        row < tile.End ? (long)a.Rows.Source(row) * a.Weights.Columns : -1;

    // A warp copies a block of 64 columns of 16 outputs; what does not exist is zeros.
    private static void MmaCopyBlock<TTiles, TWeights, TForm>(ProductArguments a, ArrayView<uint> shared, int buffer, int expert, int output, int block)
        where TTiles : struct, ITiles
        where TWeights : struct, IMmaWeights
        where TForm : struct, IProductForm
    {
        int chunks = TWeights.StepWords / 2;
        for (int i = Group.IdxX % MmaLanes; i < MmaSplitTile * chunks; i += MmaLanes)
        {
            int row = i / chunks, word = i % chunks * 4, column = block * 2 * TWeights.StepWords + word;
            long index = MmaIndex<TForm>(a, expert, output, row, MmaSplitHalf, column);
            TTiles.Copy(
                shared, buffer + row * TWeights.BlockStride + word, a.Weights.Words, a.Weights.Address, IntrinsicMath.Max(index, 0L), index >= 0);
        }
    }

    /// <summary>Which word of the weights is word <paramref name="column"/> of row <paramref name="row"/> of a tile; −1 where there is none.</summary>
    private static long MmaIndex<TForm>(ProductArguments a, int expert, int firstOutput, int row, int half, int column)
        where TForm : struct, IProductForm
    {
        int outputs = a.Outputs<TForm>(), output = firstOutput + TForm.Output(row, half);
        long weightRow = (long)expert * a.Weights.Rows + TForm.Matrix(row, half) * outputs + output;
        return output < outputs && column < a.Weights.RowWords ? weightRow * a.Weights.RowWords + column : -1;
    }

    private static void MmaKeep(ArrayView<uint> shared, int place, Accumulator sums)
    {
        shared[place] = Interop.FloatAsInt(sums.X);
        shared[place + 1] = Interop.FloatAsInt(sums.Y);
        shared[place + 8 * MmaSplitTile] = Interop.FloatAsInt(sums.Z);
        shared[place + 8 * MmaSplitTile + 1] = Interop.FloatAsInt(sums.W);
    }

    /// <summary>16 rows × 16 columns of activations as left operands.</summary>
    internal struct SplitFragments
    {
        public Fragments High;
        public Fragments Low;

        /// <summary>A lane's part, from rows that begin at <paramref name="upper"/> and <paramref name="lower"/> of x.</summary>
        public static SplitFragments Load<TMma, TWeights>(ArrayView<float> x, long upper, long lower, int k, int t, int columns)
            where TMma : struct, IMma
            where TWeights : struct, IMmaWeights
        {
            int first = k + TWeights.Column(t, 0), second = k + TWeights.Column(t, 1);
            SplitPair p0 = Pair<TMma>(x, upper, first, columns), p1 = Pair<TMma>(x, lower, first, columns);
            SplitPair p2 = Pair<TMma>(x, upper, second, columns), p3 = Pair<TMma>(x, lower, second, columns);
            return new SplitFragments
            {
                High = new() { R0 = p0.High, R1 = p1.High, R2 = p2.High, R3 = p3.High },
                Low = new() { R0 = p0.Low, R1 = p1.Low, R2 = p2.Low, R3 = p3.Low },
            };
        }

        /// <summary>sums + low · b + high · b, in this order.</summary>
        public readonly Accumulator Multiply<TMma>(Accumulator sums, FragmentB b, ArrayView<uint> scratch) where TMma : struct, IMma =>
            TMma.BFloat16(sums, Low, High, b, scratch);

        private static SplitPair Pair<TMma>(ArrayView<float> x, long row, int k, int columns) where TMma : struct, IMma
        {
            float first = 0, second = 0;
            if (row >= 0 && k < columns)
                first = x[row + k];
            if (row >= 0 && k + 1 < columns)
                second = x[row + k + 1];
            return SplitPair.Of<TMma>(first, second);
        }
    }
}
