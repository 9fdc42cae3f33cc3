using ILGPU;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // A group makes 4 outputs of up to 4 rows. Sixteen lanes share a row of weights: each takes whole blocks of 64 columns, and
    // the blocks' sums are added in order.
    private const int SplitOutputs = 4;
    private const int SplitRows = 4;
    private const int SplitLanes = 16;

    /// <summary>Products for few rows: every weight is read once for four rows.</summary>
    private static void SplitProductKernel<TWord, TForm>(ProductArguments a)
        where TWord : struct, IWeightWord
        where TForm : struct, IProductForm => SplitProduct<TWord, TForm>(a);

    /// <summary><see cref="SplitProductKernel{TWord, TForm}"/> of three matrices.</summary>
    private static void SplitProjectKernel<TWord>(ProjectArguments a) where TWord : struct, IWeightWord =>
        SplitProduct<TWord, PlainProduct>(a.Of(Grid.IdxX));

    private static void SplitProduct<TWord, TForm>(ProductArguments a)
        where TWord : struct, IWeightWord
        where TForm : struct, IProductForm
    {
        ArrayView<float> sums = SharedMemory.Allocate<float>(SplitOutputs * SplitRows * SplitLanes);
        RowTile tile = a.Rows.Find(Grid.IdxY, SplitRows);
        if (tile.End <= tile.Begin)
            return;
        int lane = Group.IdxX % SplitLanes, output = (Grid.IdxX - a.FirstGroup) * SplitOutputs + Group.IdxX / SplitLanes;
        int outputs = a.Outputs<TForm>();
        // Threads without an output or a row do the work of the last one, and do not write.
        long weightRow = (long)tile.Expert * a.Weights.Rows + IntrinsicMath.Min(output, outputs - 1);
        float first = SplitSum<TWord>(a.Weights, weightRow, a.Rows, tile, a.X, sums), second = 0;
        if (TForm.Matrices == 2)
            second = SplitSum<TWord>(a.Weights, weightRow + outputs, a.Rows, tile, a.X, sums);
        if (lane < SplitRows && tile.Begin + lane < tile.End && output < outputs)
            TForm.Store(a, (long)(tile.Begin + lane) * outputs + output, first, second);
    }

    /// <summary>
    /// The product of weight row <paramref name="weightRow"/>, one for every sixteen lanes, and row <c>lane</c> of the tile, for lanes
    /// 0 … 3. All threads of the group call it; the sums in shared memory may be overwritten afterwards.
    /// </summary>
    private static float SplitSum<TWord>(
        WeightView weights, long weightRow, RowSelection rows, RowTile tile, ArrayView<float> x, ArrayView<float> sums)
        where TWord : struct, IWeightWord
    {
        int columns = weights.Columns, lane = Group.IdxX % SplitLanes, local = Group.IdxX / SplitLanes, last = tile.End - 1;
        long words = weightRow * weights.RowWords;
        long x0 = (long)rows.Source(tile.Begin) * columns;
        long x1 = (long)rows.Source(IntrinsicMath.Min(tile.Begin + 1, last)) * columns;
        long x2 = (long)rows.Source(IntrinsicMath.Min(tile.Begin + 2, last)) * columns;
        long x3 = (long)rows.Source(IntrinsicMath.Min(tile.Begin + 3, last)) * columns;
        int blocks = (columns + ProductBlock - 1) / ProductBlock;
        float total = 0;
        for (int round = 0; round < blocks; round += SplitLanes)
        {
            int block = round + lane, begin = block * ProductBlock, end = IntrinsicMath.Min(begin + ProductBlock, columns);
            float scale = block < blocks ? weights.Scale(weightRow, begin) : 0f;
            float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
            for (int k = begin; k < end; k += TWord.Count)
            {
                uint word = weights.Words[words + k / TWord.Count];
                for (int i = 0; i < TWord.Count; i++)
                {
                    if (k + i < end)
                    {
                        float weight = TWord.Decode(word, i) * scale;
                        s0 = x[x0 + k + i] * weight + s0;
                        s1 = x[x1 + k + i] * weight + s1;
                        s2 = x[x2 + k + i] * weight + s2;
                        s3 = x[x3 + k + i] * weight + s3;
                    }
                }
            }
            int place = local * SplitRows * SplitLanes + lane;
            sums[place] = s0;
            sums[place + SplitLanes] = s1;
            sums[place + 2 * SplitLanes] = s2;
            sums[place + 3 * SplitLanes] = s3;
            Group.Barrier();
            if (lane < SplitRows)
            {
                int count = IntrinsicMath.Min(SplitLanes, blocks - round);
                for (int i = 0; i < count; i++)
                    total += sums[(local * SplitRows + lane) * SplitLanes + i];
            }
            Group.Barrier();
        }
        return total;
    }
}
