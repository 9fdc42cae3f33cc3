using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

public sealed partial class Tape
{
    // Products of experts that wait for their scale: as many experts at once as fit, so that they stay in a cache.
    private const int ProductFloats = 1 << 21;

    private readonly Dictionary<WeightMatrix[], Tensor[]?> _expertGradients = [];
    private RoundedWeights? _rounded;
    private Tensor? _products;

    /// <summary>How products round their operands; set before the first of them.</summary>
    public TrainingPrecision Precision { get; set; }

    /// <summary>The bytes of the rounded copies of the weights.</summary>
    public long RoundedWeightBytes => _rounded?.ByteLength ?? 0;

    /// <summary>The bytes of products that wait for their scale.</summary>
    public long ScratchBytes => _products?.CapacityBytes ?? 0;

    /// <summary>Says that weights have new values: their rounded copies are made anew at the next use.</summary>
    public void WeightsChanged() => _rounded?.Changed();

    /// <inheritdoc/>
    public void MatMul(Tensor x, WeightMatrix w, Tensor y)
    {
        TrainingPrecision precision = PrecisionOf(w);
        Tensor? whole = precision == TrainingPrecision.FP8 ? Whole(x.Rows) : null;
        RowOperand input = default;
        void Forward()
        {
            WeightOperands weights = Weights(w, precision);
            input = Rounded(x, null, 1, whole, precision, x.Rows);
            _kernels.MatMul(input.Values, weights.Matrices[0], y);
            Unscale(y, whole, input, weights);
        }
        Run(y, Forward, dy =>
        {
            WeightOperands weights = Weights(w, precision);
            RowOperand output = RoundedInPlace(dy, whole, precision);
            if (ParameterGradient(w.Data) is { } sum)
            {
                if (whole is null)
                    _kernels.MatMulBackwardWeight(output.Values, input.Values, sum);
                else
                    AddScaledProducts(output, input, whole, [sum]);
            }
            Release(input);
            Tensor dx = New(x);
            _kernels.MatMulBackwardInput(output.Values, weights.Matrices[0], dx);
            Unscale(dx, whole, output, weights);
            Release(output);
            Release(whole);
            AddGradient(x, dx);
        });
        if (!IsRecording)
        {
            Release(input);
            Release(whole);
        }
    }

    /// <inheritdoc/>
    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y)
    {
        TrainingPrecision precision = PrecisionOf(experts[0]);
        RowOperand input = default;
        void Forward()
        {
            WeightOperands weights = Weights(experts, precision);
            input = Rounded(x, order, slots, offsets, precision, y.Rows);
            _kernels.GroupedMatMul(input.Values, input.Order, slots, offsets, weights.Matrices, y);
            Unscale(y, offsets, input, weights);
        }
        Run(y, Forward, dy =>
        {
            WeightOperands weights = Weights(experts, precision);
            RowOperand output = RoundedInPlace(dy, offsets, precision);
            if (ExpertGradients(experts) is { } sums)
            {
                if (precision != TrainingPrecision.FP8)
                    _kernels.GroupedMatMulBackwardWeight(output.Values, input.Values, input.Order, slots, offsets, sums);
                else
                    AddScaledProducts(output, input, offsets, sums);
            }
            Release(input);
            Tensor dRows = New(dy.Rows, experts[0].Columns);
            _kernels.GroupedMatMulBackwardInput(output.Values, offsets, weights.Matrices, dRows);
            Unscale(dRows, offsets, output, weights);
            Release(output);
            if (order is null)
            {
                AddGradient(x, dRows);
                return;
            }
            Tensor dx = New(x);
            _kernels.GatherBackward(dRows, _places[order], slots, dx);
            Release(dRows);
            AddGradient(x, dx);
        });
        if (!IsRecording)
            Release(input);
    }

    /// <summary>Rounds to bfloat16; the gradient passes as it is.</summary>
    public void RoundToBFloat16(Tensor x, Tensor y) => Run(y, () => _kernels.RoundToBFloat16(x, y), dy => AddGradient(x, dy));

    private void DisposeProducts()
    {
        _rounded?.Dispose();
        _products?.Dispose();
        (_rounded, _products) = (null, null);
    }

    // The output head is in bfloat16 where all products are, else in float32.
    private Tensor HeadStates(Tensor states, WeightMatrix head) => Rounded(states, null, 1, null, HeadPrecision(head), states.Rows).Values;

    private WeightMatrix HeadMatrix(WeightMatrix head) => Weights(head, HeadPrecision(head)).Matrices[0];

    private CrossEntropyParameters HeadParameters(WeightMatrix head, float scale) =>
        new(scale, 0, HeadPrecision(head) == TrainingPrecision.BF16);

    private TrainingPrecision HeadPrecision(WeightMatrix head) =>
        PrecisionOf(head) == TrainingPrecision.BF16 ? TrainingPrecision.BF16 : TrainingPrecision.F32;

    private TrainingPrecision PrecisionOf(WeightMatrix w) =>
        ModelConfiguration.IsRouter(w.Name) || _frozen.Contains(w) ? TrainingPrecision.F32 : Precision;

    private WeightOperands Weights(WeightMatrix w, TrainingPrecision precision) => precision == TrainingPrecision.F32
        ? new WeightOperands([w], null) : (_rounded ??= new RoundedWeights(_kernels, _activations.Allocate)).Get(w, precision);

    private WeightOperands Weights(WeightMatrix[] experts, TrainingPrecision precision) => precision == TrainingPrecision.F32
        ? new WeightOperands(experts, null) : (_rounded ??= new RoundedWeights(_kernels, _activations.Allocate)).Get(experts, precision);

    // The rows of a product. In 8 bits they are gathered first, because a token has another scale with each of its experts.
    private RowOperand Rounded(Tensor x, Tensor? order, int slots, Tensor? offsets, TrainingPrecision precision, int rows)
    {
        switch (precision)
        {
            case TrainingPrecision.BF16:
                Tensor rounded = New(x);
                _kernels.RoundToBFloat16(x, rounded);
                return new RowOperand(rounded, order, null, IsCopy: true);
            case TrainingPrecision.FP8:
                Tensor values = New(rows, x.Columns), inverses = _workspace.Rent(DType.F32, new Shape((int)offsets!.Count - 1));
                _kernels.RoundToFloat8(x, order, slots, offsets, DType.F8E4M3, values, inverses);
                return new RowOperand(values, null, inverses, IsCopy: true);
            default:
                return new RowOperand(x, order, null, IsCopy: false);
        }
    }

    // A gradient has its last use in the backward of the call that made its activation.
    private RowOperand RoundedInPlace(Tensor dy, Tensor? offsets, TrainingPrecision precision)
    {
        Tensor? inverses = null;
        if (precision == TrainingPrecision.BF16)
            _kernels.RoundToBFloat16(dy, dy);
        if (precision == TrainingPrecision.FP8)
        {
            inverses = _workspace.Rent(DType.F32, new Shape((int)offsets!.Count - 1));
            _kernels.RoundToFloat8(dy, null, 1, offsets, DType.F8E5M2, dy, inverses);
        }
        return new RowOperand(dy, null, inverses, IsCopy: false);
    }

    private void Release(RowOperand operand)
    {
        if (operand.IsCopy)
            _workspace.Release(operand.Values);
        Release(operand.Inverses);
    }

    private void Release(Tensor? tensor)
    {
        if (tensor is not null)
            _workspace.Release(tensor);
    }

    private void Unscale(Tensor y, Tensor? offsets, RowOperand rows, WeightOperands weights)
    {
        if (rows.Inverses is { } inverses)
            _kernels.ScaleSegments(y, offsets!, inverses, weights.Inverses!);
    }

    // dW += dyᵀ·x times both scales' inverses, for a few experts at a time.
    private void AddScaledProducts(RowOperand dy, RowOperand x, Tensor offsets, Tensor[] sums)
    {
        int rows = dy.Values.Columns, columns = x.Values.Columns;
        int most = (int)Math.Clamp(ProductFloats / Math.Max(1, (long)rows * columns), 1, sums.Length);
        for (int first = 0; first < sums.Length; first += most)
        {
            int count = Math.Min(most, sums.Length - first);
            Tensor products = Products(count * rows, columns), bounds = _workspace.Rent(DType.I32, new Shape(count + 1));
            offsets.Span<int>().Slice(first, count + 1).CopyTo(bounds.Span<int>());
            Tensor[] parts = [.. Enumerable.Range(0, count).Select(i => products.RowsView(i * rows, rows))];
            _kernels.GroupedMatMulBackwardWeight(dy.Values, x.Values, null, 1, bounds, parts);
            _kernels.AddScaledSegments(products, dy.Inverses!, x.Inverses!, first, sums.AsSpan(first, count));
            Release(bounds);
        }
    }

    private Tensor Products(int rows, int columns)
    {
        Shape shape = new(rows, columns);
        if (_products is null || _products.CapacityBytes < shape.Count * ActivationType.Size())
        {
            _products?.Dispose();
            _products = _activations.Allocate(ActivationType, shape);
        }
        _products.Reinterpret(ActivationType, shape);
        Zero(_products);
        return _products;
    }

    private Tensor Whole(int rows)
    {
        Tensor offsets = _workspace.Rent(DType.I32, new Shape(2));
        (offsets.Span<int>()[0], offsets.Span<int>()[1]) = (0, rows);
        return offsets;
    }

    private Tensor[]? ExpertGradients(WeightMatrix[] experts)
    {
        if (!_expertGradients.TryGetValue(experts, out Tensor[]? sums))
        {
            bool trained = ParameterGradient(experts[0].Data) is not null;
            _expertGradients.Add(experts, sums = trained ? [.. experts.Select(expert => _parameters[expert.Data])] : null);
        }
        return sums;
    }

    /// <summary>Rows as a product takes them.</summary>
    /// <param name="Values">The rounded rows.</param>
    /// <param name="Order">Which of them each row of the product is; null where they lie in its order.</param>
    /// <param name="Inverses">F32, for each segment what products are multiplied by; null without scales.</param>
    /// <param name="IsCopy">Whether the values are the tape's to give back.</param>
    private readonly record struct RowOperand(Tensor Values, Tensor? Order, Tensor? Inverses, bool IsCopy);
}
