using ILGPU;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // 64 × 64 outputs, 16 columns at a time in shared memory; each of 256 threads makes 4 × 4.
    private const int Tile = 64;
    private const int TileStep = 16;
    private const int TileThreads = 256;
    private const int TileSide = 4;

    // Of two matrices, a thread has two outputs of each.
    private const int TileHalf = 2;

    /// <summary>Products for many rows. The order of the sums is that of <see cref="SplitProductKernel{TWord, TForm}"/>.</summary>
    private static void TiledProductKernel<TWord, TForm>(ProductArguments a)
        where TWord : struct, IWeightWord
        where TForm : struct, IProductForm
    {
        ArrayView<float> xs = SharedMemory.Allocate<float>(TileStep * Tile);
        ArrayView<float> ws = SharedMemory.Allocate<float>(TileStep * Tile);
        RowTile tile = a.Rows.Find(Grid.IdxY, Tile);
        if (tile.End <= tile.Begin)
            return;
        int firstOutput = Grid.IdxX * (Tile / TForm.Matrices), row = Group.IdxX / (Tile / TileSide) * TileSide, place = Group.IdxX % (Tile / TileSide) * TileSide;
        Quad s0 = default, s1 = default, s2 = default, s3 = default, t0 = default, t1 = default, t2 = default, t3 = default;
        for (int k0 = 0; k0 < a.Weights.Columns; k0 += TileStep)
        {
            StoreActivations(a, tile, k0, xs);
            StoreWeights<TWord, TForm>(a, tile.Expert, firstOutput, k0, ws);
            Group.Barrier();
            for (int k = 0; k < TileStep; k++)
            {
                Quad w = Quad.Load(ws, k * Tile + place), x = Quad.Load(xs, k * Tile + row);
                s0 = Quad.MultiplyAdd(x.A, w, s0);
                s1 = Quad.MultiplyAdd(x.B, w, s1);
                s2 = Quad.MultiplyAdd(x.C, w, s2);
                s3 = Quad.MultiplyAdd(x.D, w, s3);
            }
            Group.Barrier();
            if ((k0 + TileStep) % ProductBlock == 0 || k0 + TileStep >= a.Weights.Columns)
            {
                t0 = Quad.Add(t0, s0);
                t1 = Quad.Add(t1, s1);
                t2 = Quad.Add(t2, s2);
                t3 = Quad.Add(t3, s3);
                s0 = default;
                s1 = default;
                s2 = default;
                s3 = default;
            }
        }
        int output = firstOutput + TForm.Output(place, TileHalf);
        StoreRow<TForm>(a, tile, row, output, t0);
        StoreRow<TForm>(a, tile, row + 1, output, t1);
        StoreRow<TForm>(a, tile, row + 2, output, t2);
        StoreRow<TForm>(a, tile, row + 3, output, t3);
    }

    // Columns behind the last are zeros in both operands, and adding 0 · 0 changes no sum.
    private static void StoreActivations(ProductArguments a, RowTile tile, int k0, ArrayView<float> xs)
    {
        for (int i = Group.IdxX; i < TileStep * Tile; i += TileThreads)
        {
            int local = i / TileStep, k = i % TileStep, row = tile.Begin + local;
            float value = 0;
            if (row < tile.End && k0 + k < a.Weights.Columns)
                value = a.X[(long)a.Rows.Source(row) * a.Weights.Columns + k0 + k];
            xs[k * Tile + local] = value;
        }
    }

    private static void StoreWeights<TWord, TForm>(ProductArguments a, int expert, int firstOutput, int k0, ArrayView<float> ws)
        where TWord : struct, IWeightWord
        where TForm : struct, IProductForm
    {
        int wordsPerRow = TileStep / TWord.Count, outputs = a.Outputs<TForm>();
        for (int i = Group.IdxX; i < wordsPerRow * Tile; i += TileThreads)
        {
            int local = i / wordsPerRow, position = i % wordsPerRow * TWord.Count;
            int output = firstOutput + TForm.Output(local, TileHalf);
            uint word = 0;
            float scale = 0;
            if (output < outputs)
            {
                long weightRow = (long)expert * a.Weights.Rows + TForm.Matrix(local, TileHalf) * outputs + output;
                word = a.Weights.Words[weightRow * a.Weights.RowWords + (k0 + position) / TWord.Count];
                scale = a.Weights.Scale(weightRow, k0);
            }
            for (int j = 0; j < TWord.Count; j++)
                ws[(position + j) * Tile + local] = TWord.Decode(word, j) * scale;
        }
    }

    private static void StoreRow<TForm>(ProductArguments a, RowTile tile, int row, int output, Quad values)
        where TForm : struct, IProductForm
    {
        if (tile.Begin + row >= tile.End)
            return;
        int outputs = a.Outputs<TForm>();
        long place = (long)(tile.Begin + row) * outputs + output;
        if (output < outputs)
            TForm.Store(a, place, values.A, values.C);
        if (output + 1 < outputs)
            TForm.Store(a, place + 1, values.B, values.D);
        if (TForm.Matrices == 1 && output + 2 < outputs)
            TForm.Store(a, place + 2, values.C, 0);
        if (TForm.Matrices == 1 && output + 3 < outputs)
            TForm.Store(a, place + 3, values.D, 0);
    }

    /// <summary>Four numbers that stay in registers, which an array would not.</summary>
    internal struct Quad
    {
        public float A;
        public float B;
        public float C;
        public float D;

        public static Quad Load(ArrayView<float> source, int index) =>
            new() { A = source[index], B = source[index + 1], C = source[index + 2], D = source[index + 3] };

        /// <summary>x · w + sum.</summary>
        public static Quad MultiplyAdd(float x, Quad w, Quad sum) => new()
        {
            A = x * w.A + sum.A,
            B = x * w.B + sum.B,
            C = x * w.C + sum.C,
            D = x * w.D + sum.D,
        };

        public static Quad Add(Quad x, Quad y) => new() { A = x.A + y.A, B = x.B + y.B, C = x.C + y.C, D = x.D + y.D };
    }
}
