using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

/// <summary>The products of every precision on the tape, forward and backward, against float64 products of rounded operands.</summary>
public sealed class TapeProductsTests
{
    private const int Tokens = 30, Slots = 2, Experts = 5, Inputs = 40, Outputs = 24;

    public static IEnumerable<object[]> Cases() =>
        from name in BackEnds.Names
        from precision in Enum.GetValues<TrainingPrecision>()
        select new object[] { name[0], precision };

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_product_rounds_both_operands_forward_and_backward(string name, TrainingPrecision precision)
    {
        using Setup setup = new(BackEnds.Get(name), precision, Tokens);
        WeightMatrix w = setup.Matrix("q_proj.weight", 0);
        setup.Run(x =>
        {
            Tensor y = setup.New(Tokens, Outputs);
            setup.Tape.MatMul(x, w, y);
            return y;
        });
        Matrix xs = Rounded(setup.X, precision, DType.F8E4M3), ws = Rounded(setup.Values[0], precision, DType.F8E4M3);
        Matrix dys = Rounded(setup.Dy, precision, DType.F8E5M2);
        Near(xs.Times(ws.Transposed()), setup.Y, "y");
        Near(dys.Times(ws), setup.Dx, "dx");
        Near(dys.Transposed().Times(xs), setup.Gradients[0], "dw");
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Experts_have_scales_of_their_own(string name, TrainingPrecision precision)
    {
        using Setup setup = new(BackEnds.Get(name), precision, Tokens * Slots);
        WeightMatrix[] experts = [.. Enumerable.Range(0, Experts).Select(e => setup.Matrix($"experts.{e}", e))];
        // Expert 3 gets no token.
        Random random = new(7);
        int[] chosen = [.. Enumerable.Range(0, Tokens).SelectMany(_ => random.GetItems([0, 1, 2, 4], 4).Distinct().Concat([4, 2]).Take(Slots))];
        using Tensor choice = Tensor.From<int>(DType.I32, new Shape(Tokens, Slots), chosen), offsets = Tensor.Allocate(DType.I32, new Shape(Experts + 1));
        using Tensor order = Tensor.Allocate(DType.I32, new Shape(Tokens * Slots)), place = Tensor.Allocate(DType.I32, order.Shape);
        setup.Run(x =>
        {
            Tensor y = setup.New(Tokens * Slots, Outputs);
            setup.Tape.Dispatch(choice, offsets, order, place);
            setup.Tape.GroupedMatMul(x, order, Slots, offsets, experts, y);
            return y;
        });
        double[] y = new double[setup.Y.Length], dx = new double[setup.Dx.Length];
        for (int e = 0; e < Experts; e++)
        {
            int first = offsets.Span<int>()[e], count = offsets.Span<int>()[e + 1] - first;
            if (count == 0)
            {
                Assert.All(setup.Gradients[e], value => Assert.Equal(0, value));
                continue;
            }
            int[] tokens = [.. order.Span<int>().Slice(first, count).ToArray().Select(pair => pair / Slots)];
            Matrix xs = Rounded(new Matrix(Inputs, [.. tokens.SelectMany(setup.X.Row)]), precision, DType.F8E4M3);
            Matrix dys = Rounded(new Matrix(Outputs, setup.Dy.Values[(first * Outputs)..((first + count) * Outputs)]), precision, DType.F8E5M2);
            Matrix ws = Rounded(setup.Values[e], precision, DType.F8E4M3);
            xs.Times(ws.Transposed()).Values.CopyTo(y, first * Outputs);
            Matrix rows = dys.Times(ws);
            for (int r = 0; r < count; r++)
                for (int k = 0; k < Inputs; k++)
                    dx[tokens[r] * Inputs + k] += rows.Values[r * Inputs + k];
            Near(dys.Transposed().Times(xs), setup.Gradients[e], $"dw {e}");
        }
        Near(new Matrix(Outputs, y), setup.Y, "y");
        Near(new Matrix(Inputs, dx), setup.Dx, "dx");
    }

    [Theory]
    [InlineData(TrainingPrecision.BF16)]
    [InlineData(TrainingPrecision.FP8)]
    public void The_router_is_never_rounded(TrainingPrecision precision)
    {
        using Setup setup = new(BackEnds.Reference, precision, Tokens);
        WeightMatrix w = setup.Matrix(ModelConfiguration.LayerPrefix(2) + "mlp.gate.weight", 0);
        setup.Run(x =>
        {
            Tensor y = setup.New(Tokens, Outputs);
            setup.Tape.MatMul(x, w, y);
            return y;
        });
        Near(setup.X.Times(setup.Values[0].Transposed()), setup.Y, "y");
        Near(setup.Dy.Times(setup.Values[0]), setup.Dx, "dx");
    }

    [Theory]
    [InlineData(TrainingPrecision.BF16)]
    [InlineData(TrainingPrecision.FP8)]
    public void Rounded_weights_follow_the_masters_when_they_are_told(TrainingPrecision precision)
    {
        using Setup setup = new(BackEnds.Reference, precision, Tokens);
        WeightMatrix w = setup.Matrix("q_proj.weight", 0);
        double[] Product()
        {
            Tensor y = setup.New(Tokens, Outputs);
            setup.Run(x =>
            {
                setup.Tape.MatMul(x, w, y);
                return y;
            });
            return setup.Y;
        }
        double[] before = Product();
        w.Data.Span<double>()[0] += 3;
        Assert.Equal(before, Product());
        setup.Tape.WeightsChanged();
        Assert.NotEqual(before, Product());
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_output_head_is_in_bfloat16_where_all_products_are(string name, TrainingPrecision precision)
    {
        using Setup setup = new(BackEnds.Get(name), precision, Tokens);
        WeightMatrix head = setup.Matrix("lm_head.weight", 0);
        int[] labels = [.. Enumerable.Range(0, Tokens).Select(t => t * 7 % Outputs)];
        using Tensor targets = Tensor.From<int>(DType.I32, new Shape(Tokens), labels);
        setup.Run(x =>
        {
            setup.Tape.HeadCrossEntropy(x, head, targets, 0.25f);
            return null;
        });
        TrainingPrecision rounding = precision == TrainingPrecision.BF16 ? precision : TrainingPrecision.F32;
        Matrix xs = Rounded(setup.X, rounding, default), ws = Rounded(setup.Values[0], rounding, default), logits = xs.Times(ws.Transposed());
        for (int t = 0; t < Tokens; t++)
        {
            Span<double> row = logits.Values.AsSpan(t * Outputs, Outputs);
            double sum = 0;
            foreach (double z in row)
                sum += Math.Exp(z);
            for (int v = 0; v < Outputs; v++)
                row[v] = 0.25 * (Math.Exp(row[v]) / sum - (v == labels[t] ? 1 : 0));
        }
        Matrix gradients = Rounded(logits, rounding, default);
        // A gradient beside a tie may round the other way: one of Tokens · Outputs, by 2⁻⁸ of itself.
        Near(gradients.Times(ws), setup.Dx, "dx", 1e-4);
        Near(gradients.Transposed().Times(xs), setup.Gradients[0], "dw", 1e-4);
    }

    // Rounding as the formats' own scalar conversions have it.
    private static Matrix Rounded(Matrix x, TrainingPrecision precision, DType format)
    {
        if (precision == TrainingPrecision.F32)
            return x;
        if (precision == TrainingPrecision.BF16)
            return x.Select(value => BFloat16.FromSingle((float)value).ToSingle());
        float largest = (float)x.Values.Max(Math.Abs);
        Float8Scale scale = Float8Scale.For(largest, format);
        return x.Select(value => (format == DType.F8E4M3
            ? Float8E4M3.FromSingle((float)value * scale.Value).ToSingle()
            : Float8E5M2.FromSingle((float)value * scale.Value).ToSingle()) * (double)scale.Inverse);
    }

    private static void Near(Matrix want, double[] got, string what, double tolerance = 2e-6)
    {
        double error = Math.Sqrt(want.Values.Zip(got, (a, b) => (a - b) * (a - b)).Sum()), norm = Math.Sqrt(want.Values.Sum(a => a * a));
        Assert.Equal(want.Values.Length, got.Length);
        Assert.True(error <= tolerance * norm, $"{what}: relative error {error / norm:G3} is above {tolerance:G3}");
    }

    private sealed record Matrix(int Columns, double[] Values)
    {
        public int Rows => Values.Length / Columns;

        public IEnumerable<double> Row(int row) => Values.Skip(row * Columns).Take(Columns);

        public Matrix Select(Func<double, double> map) => new(Columns, [.. Values.Select(map)]);

        public Matrix Transposed() =>
            new(Rows, [.. from c in Enumerable.Range(0, Columns) from r in Enumerable.Range(0, Rows) select Values[r * Columns + c]]);

        public Matrix Times(Matrix other)
        {
            double[] product = new double[Rows * other.Columns];
            for (int r = 0; r < Rows; r++)
                for (int k = 0; k < Columns; k++)
                    for (int c = 0; c < other.Columns; c++)
                        product[r * other.Columns + c] += Values[r * Columns + k] * other.Values[k * other.Columns + c];
            return new Matrix(other.Columns, product);
        }
    }

    /// <summary>A tape, rows x that come from an embedding (whose gradient is dx), matrices and a gradient dy.</summary>
    private sealed class Setup : IDisposable
    {
        private readonly IOptimizerKernels _kernels;
        private readonly TrainingWorkspace _workspace = new();
        private readonly List<Tensor> _sums = [];
        private readonly WeightMatrix _table;
        private readonly Tensor _dTable, _ids;

        public Setup(IOptimizerKernels kernels, TrainingPrecision precision, int results)
        {
            _kernels = kernels;
            Tape = new Tape((ITrainingKernels)kernels, _workspace) { Precision = precision };
            float[] x = new Random(1).Normal(Tokens * Inputs), dy = new Random(2).Normal(results * Outputs, 1e-3);
            X = new Matrix(Inputs, [.. x.Select(value => (double)value)]);
            Dy = new Matrix(Outputs, [.. dy.Select(value => (double)value)]);
            _table = WeightMatrix.RowMajor("table", kernels.Input(new Shape(Tokens, Inputs), x));
            _dTable = kernels.Zeros(new Shape(Tokens, Inputs));
            _ids = Tensor.From<int>(DType.I32, new Shape(Tokens), [.. Enumerable.Range(0, Tokens)]);
            Tape.Register(_table.Data, _dTable);
        }

        public Tape Tape { get; }
        public Matrix X { get; }
        public Matrix Dy { get; }
        public List<Matrix> Values { get; } = [];
        public double[] Y { get; private set; } = [];
        public double[] Dx => _dTable.Read();
        public IReadOnlyList<double[]> Gradients => [.. _sums.Select(sum => sum.Read())];

        public WeightMatrix Matrix(string name, int seed)
        {
            // Every expert has another scale.
            float[] values = new Random(10 + seed).Normal(Outputs * Inputs, 0.1 * (seed + 1));
            Tensor data = _kernels.Input(new Shape(Outputs, Inputs), values), sum = _kernels.Zeros(data.Shape);
            Tape.Register(data, sum);
            _sums.Add(sum);
            Values.Add(new Matrix(Inputs, [.. values.Select(value => (double)value)]));
            return WeightMatrix.RowMajor(name, data);
        }

        public Tensor New(int rows, int columns) => _workspace.Rent(_kernels.ActivationType, new Shape(rows, columns));

        public void Run(Func<Tensor, Tensor?> product)
        {
            Tensor x = New(Tokens, Inputs);
            Tape.Embed(_ids, _table, x);
            if (product(x) is { } y)
            {
                Y = y.Read();
                Tensor dy = Tape.Rent(y);
                dy.WriteSingles([.. Dy.Values.Select(value => (float)value)]);
                Tape.AddGradient(y, dy);
            }
            Tape.Backward();
            _workspace.Reset();
        }

        public void Dispose()
        {
            Tape.Dispose();
            _workspace.Dispose();
            _table.Dispose();
            _dTable.Dispose();
            _ids.Dispose();
        }
    }
}
