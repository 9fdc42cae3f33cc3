using ILGPU;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    /// <summary>
    /// A thread's part of the activations of a step, between their loads and their stores: one pair of columns in rows
    /// IdxX / 16, + 8 … + 56.
    /// </summary>
    internal struct StepActivations
    {
        public FloatPair P0;
        public FloatPair P1;
        public FloatPair P2;
        public FloatPair P3;
        public FloatPair P4;
        public FloatPair P5;
        public FloatPair P6;
        public FloatPair P7;

        public static StepActivations Load<TWeights>(ProductArguments a, ArrayView<uint> shared, int sources, int step)
            where TWeights : struct, IMmaWeights
        {
            int pair = Group.IdxX % MmaStepPairs, row = sources + Group.IdxX / MmaStepPairs;
            // Word p of a step has what lane p mod 4 holds for half p / 4.
            int k = step * MmaStep + pair / 8 * 16 + TWeights.Column(pair % 4, pair / 4 % 2);
            return new StepActivations
            {
                P0 = FloatPair.Load(a, shared[row], k),
                P1 = FloatPair.Load(a, shared[row + 8], k),
                P2 = FloatPair.Load(a, shared[row + 16], k),
                P3 = FloatPair.Load(a, shared[row + 24], k),
                P4 = FloatPair.Load(a, shared[row + 32], k),
                P5 = FloatPair.Load(a, shared[row + 40], k),
                P6 = FloatPair.Load(a, shared[row + 48], k),
                P7 = FloatPair.Load(a, shared[row + 56], k),
            };
        }

        public readonly void Store<TMma>(ArrayView<uint> shared, int buffer) where TMma : struct, IMma
        {
            int place = buffer + Group.IdxX / MmaStepPairs * MmaActivationStride + Group.IdxX % MmaStepPairs;
            P0.Store<TMma>(shared, place);
            P1.Store<TMma>(shared, place + 8 * MmaActivationStride);
            P2.Store<TMma>(shared, place + 16 * MmaActivationStride);
            P3.Store<TMma>(shared, place + 24 * MmaActivationStride);
            P4.Store<TMma>(shared, place + 32 * MmaActivationStride);
            P5.Store<TMma>(shared, place + 40 * MmaActivationStride);
            P6.Store<TMma>(shared, place + 48 * MmaActivationStride);
            P7.Store<TMma>(shared, place + 56 * MmaActivationStride);
        }
    }

    internal struct FloatPair
    {
        public float First;
        public float Second;

        /// <summary>Two columns of a row of x; zeros behind the last column and where there is no row.</summary>
        public static FloatPair Load(ProductArguments a, uint source, int k)
        {
            FloatPair pair = default;
            long place = (long)source * a.Weights.Columns + k;
            bool exists = source != uint.MaxValue;
            if (exists && k < a.Weights.Columns)
                pair.First = a.X[place];
            if (exists && k + 1 < a.Weights.Columns)
                pair.Second = a.X[place + 1];
            return pair;
        }

        public readonly void Store<TMma>(ArrayView<uint> shared, int place) where TMma : struct, IMma
        {
            SplitPair split = SplitPair.Of<TMma>(First, Second);
            shared[place] = split.High;
            shared[place + MmaActivations] = split.Low;
        }
    }

    /// <summary>A lane's part of 16 rows × 32 outputs.</summary>
    internal struct Sums32
    {
        public Accumulator S0;
        public Accumulator S1;
        public Accumulator S2;
        public Accumulator S3;

        public readonly Sums32 Add<TMma>(SplitFragments x, FragmentB b0, FragmentB b1, FragmentB b2, FragmentB b3, ArrayView<uint> scratch)
            where TMma : struct, IMma => new()
            {
                S0 = x.Multiply<TMma>(S0, b0, scratch),
                S1 = x.Multiply<TMma>(S1, b1, scratch),
                S2 = x.Multiply<TMma>(S2, b2, scratch),
                S3 = x.Multiply<TMma>(S3, b3, scratch),
            };

        public readonly Sums32 Scaled(Sums32Scales scales, Sums32 totals) => new()
        {
            S0 = S0.Scaled(scales.F0, scales.F1, totals.S0),
            S1 = S1.Scaled(scales.F2, scales.F3, totals.S1),
            S2 = S2.Scaled(scales.F4, scales.F5, totals.S2),
            S3 = S3.Scaled(scales.F6, scales.F7, totals.S3),
        };

        /// <summary>Stores 16 rows of the outputs that rows <paramref name="weights"/> … + 31 of the tile of weights make.</summary>
        public readonly void Store<TForm>(ProductArguments a, RowTile tile, int row, int firstOutput, int weights)
            where TForm : struct, IProductForm
        {
            int lane = Group.IdxX % MmaLanes, upper = row + lane / 4, first = firstOutput + TForm.Output(weights, MmaTileHalf) + lane % 4 * 2;
            if (TForm.Matrices == 2)
            {
                StoreTwo<TForm>(a, tile, upper, first, S0.X, S0.Y, S2.X, S2.Y);
                StoreTwo<TForm>(a, tile, upper, first + 8, S1.X, S1.Y, S3.X, S3.Y);
                StoreTwo<TForm>(a, tile, upper + 8, first, S0.Z, S0.W, S2.Z, S2.W);
                StoreTwo<TForm>(a, tile, upper + 8, first + 8, S1.Z, S1.W, S3.Z, S3.W);
            }
            else
            {
                StoreTwo<TForm>(a, tile, upper, first, S0.X, S0.Y, 0, 0);
                StoreTwo<TForm>(a, tile, upper, first + 8, S1.X, S1.Y, 0, 0);
                StoreTwo<TForm>(a, tile, upper, first + 16, S2.X, S2.Y, 0, 0);
                StoreTwo<TForm>(a, tile, upper, first + 24, S3.X, S3.Y, 0, 0);
                StoreTwo<TForm>(a, tile, upper + 8, first, S0.Z, S0.W, 0, 0);
                StoreTwo<TForm>(a, tile, upper + 8, first + 8, S1.Z, S1.W, 0, 0);
                StoreTwo<TForm>(a, tile, upper + 8, first + 16, S2.Z, S2.W, 0, 0);
                StoreTwo<TForm>(a, tile, upper + 8, first + 24, S3.Z, S3.W, 0, 0);
            }
        }

        private static void StoreTwo<TForm>(
            ProductArguments a, RowTile tile, int row, int output, float even, float odd, float secondEven, float secondOdd)
            where TForm : struct, IProductForm
        {
            int outputs = a.Outputs<TForm>();
            long place = (long)row * outputs + output;
            if (row < tile.End && output < outputs)
                TForm.Store(a, place, even, secondEven);
            if (row < tile.End && output + 1 < outputs)
                TForm.Store(a, place + 1, odd, secondOdd);
        }
    }

    /// <summary>The factors of a lane's eight outputs in a block of columns.</summary>
    internal struct Sums32Scales
    {
        public float F0;
        public float F1;
        public float F2;
        public float F3;
        public float F4;
        public float F5;
        public float F6;
        public float F7;

        public static Sums32Scales Load<TForm>(ProductArguments a, int expert, int firstOutput, int weights, int column)
            where TForm : struct, IProductForm
        {
            int row = weights + Group.IdxX % 4 * 2;
            return new Sums32Scales
            {
                F0 = Of<TForm>(a, expert, firstOutput, row, column),
                F1 = Of<TForm>(a, expert, firstOutput, row + 1, column),
                F2 = Of<TForm>(a, expert, firstOutput, row + 8, column),
                F3 = Of<TForm>(a, expert, firstOutput, row + 9, column),
                F4 = Of<TForm>(a, expert, firstOutput, row + 16, column),
                F5 = Of<TForm>(a, expert, firstOutput, row + 17, column),
                F6 = Of<TForm>(a, expert, firstOutput, row + 24, column),
                F7 = Of<TForm>(a, expert, firstOutput, row + 25, column),
            };
        }

        private static float Of<TForm>(ProductArguments a, int expert, int firstOutput, int row, int column) where TForm : struct, IProductForm
        {
            int outputs = a.Outputs<TForm>();
            int own = IntrinsicMath.Min(firstOutput + TForm.Output(row, MmaTileHalf), outputs - 1) + TForm.Matrix(row, MmaTileHalf) * outputs;
            return a.Weights.Scale((long)expert * a.Weights.Rows + own, column);
        }
    }
}
