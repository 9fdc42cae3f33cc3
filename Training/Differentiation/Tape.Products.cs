using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

public sealed partial class Tape
{
    private readonly Dictionary<WeightMatrix[], Tensor[]?> _expertGradients = [];

    /// <inheritdoc/>
    public void MatMul(Tensor x, WeightMatrix w, Tensor y)
    {
        Run(y, () => _kernels.MatMul(x, w, y), dy =>
        {
            if (ParameterGradient(w.Data) is { } sum)
                _kernels.MatMulBackwardWeight(dy, x, sum);
            Tensor dx = New(x);
            _kernels.MatMulBackwardInput(dy, w, dx);
            AddGradient(x, dx);
        });
    }

    /// <inheritdoc/>
    public void GroupedMatMul(Tensor x, Tensor? order, int slots, Tensor offsets, WeightMatrix[] experts, Tensor y)
    {
        Run(y, () => _kernels.GroupedMatMul(x, order, slots, offsets, experts, y), dy =>
        {
            if (ExpertGradients(experts) is { } sums)
                _kernels.GroupedMatMulBackwardWeight(dy, x, order, slots, offsets, sums);
            Tensor dRows = New(dy.Rows, experts[0].Columns);
            _kernels.GroupedMatMulBackwardInput(dy, offsets, experts, dRows);
            if (order is null)
            {
                AddGradient(x, dRows);
                return;
            }
            Tensor dx = New(x);
            _kernels.GatherBackward(dRows, _places[order], slots, dx);
            AddGradient(x, dx);
        });
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
}
