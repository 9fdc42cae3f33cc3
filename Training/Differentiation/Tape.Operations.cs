using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Training;

public sealed partial class Tape
{
    /// <inheritdoc/>
    public void Embed(Tensor ids, WeightMatrix table, Tensor y)
    {
        Run(y, () => _kernels.Embed(ids, table, y), dy =>
        {
            if (ParameterGradient(table.Data) is { } sum)
                _kernels.EmbedBackward(ids, dy, sum);
        });
    }

    /// <summary>y[t] = x[rows[t]]: a look-up in activations, whose gradients are summed where a row occurs several times.</summary>
    /// <param name="x">[R, H].</param>
    /// <param name="rows">I32 [T].</param>
    /// <param name="y">[T, H].</param>
    public void GatherRows(Tensor x, Tensor rows, Tensor y)
    {
        Run(y, () => _kernels.Embed(rows, WeightMatrix.RowMajor("activations", x), y), dy =>
        {
            Tensor dx = New(x);
            Zero(dx);
            _kernels.EmbedBackward(rows, dy, dx);
            AddGradient(x, dx);
        });
    }

    /// <inheritdoc/>
    public void RmsNorm(Tensor x, Tensor weight, float epsilon, Tensor y)
    {
        Run(y, () => _kernels.RmsNorm(x, weight, epsilon, y), dy =>
        {
            Tensor dx = New(x);
            Tensor? sum = ParameterGradient(weight), unused = sum is null ? _workspace.Rent(ActivationType, weight.Shape) : null;
            _kernels.RmsNormBackward(x, weight, epsilon, dy, dx, sum ?? unused!);
            if (unused is not null)
                _workspace.Release(unused);
            AddGradient(x, dx);
        });
    }

    /// <inheritdoc/>
    public void RopeTable(Tensor positions, RopeParameters parameters, Tensor table) => _kernels.RopeTable(positions, parameters, table);

    /// <inheritdoc/>
    public void Rope(Tensor x, Tensor table, Tensor y)
    {
        Run(y, () => _kernels.Rope(x, table, y), dy =>
        {
            Tensor dx = New(x);
            _kernels.RopeBackward(dy, table, dx);
            AddGradient(x, dx);
        });
    }

    /// <inheritdoc/>
    public void SwiGlu(Tensor gateUp, Tensor y)
    {
        Run(y, () => _kernels.SwiGlu(gateUp, y), dy =>
        {
            Tensor dx = New(gateUp);
            _kernels.SwiGluBackward(gateUp, dy, dx);
            AddGradient(gateUp, dx);
        });
    }

    /// <inheritdoc/>
    public void Add(Tensor a, Tensor b, Tensor y)
    {
        Run(y, () => _kernels.Add(a, b, y), dy =>
        {
            // The gradient of the sum is that of both; one of them may keep it, the other needs its own.
            Tensor copy = New(dy);
            _kernels.CopyRows(dy, 0, copy);
            AddGradient(b, copy);
            AddGradient(a, dy);
        });
    }

    /// <inheritdoc/>
    public void CopyRows(Tensor x, int firstRow, Tensor y)
    {
        Run(y, () => _kernels.CopyRows(x, firstRow, y), dy =>
        {
            Tensor dx = New(x);
            _kernels.CopyRowsBackward(dy, firstRow, dx);
            AddGradient(x, dx);
        });
    }

    /// <inheritdoc/>
    public void Concatenate(Tensor a, Tensor b, Tensor y)
    {
        Run(y, () => _kernels.Concatenate(a, b, y), dy =>
        {
            Tensor da = New(a), db = New(b);
            _kernels.ConcatenateBackward(dy, da, db);
            AddGradient(a, da);
            AddGradient(b, db);
        });
    }

    /// <summary>The log-sum-exp alone, for reports: it has no backward here; losses have their own operations.</summary>
    public void LogSumExp(Tensor logits, Tensor lse) => _kernels.LogSumExp(logits, lse);

    /// <summary>The choice alone; it has no gradient.</summary>
    public void ArgMax(Tensor logits, Tensor ids) => _kernels.ArgMax(logits, ids);

    /// <summary>Counters have no gradient either.</summary>
    public void Advance(Tensor counters, int count) => _kernels.Advance(counters, count);

    /// <summary>For sampling: no gradient.</summary>
    public void TopCandidates(Tensor logits, int k, Tensor values, Tensor numbers) => _kernels.TopCandidates(logits, k, values, numbers);

    /// <summary>For sampling: no gradient.</summary>
    public void TakeOut(Tensor row, Tensor ids, Tensor taken) => _kernels.TakeOut(row, ids, taken);

    /// <summary>
    /// The output head and its cross-entropy (<see cref="ITrainingKernels.HeadCrossEntropy"/>). Its backward happens at once:
    /// the gradient of the states waits for <see cref="Backward"/>, that of the head is added. Without recording there are no
    /// gradients.
    /// </summary>
    /// <param name="states">[T, H], after the final norm.</param>
    /// <param name="head">[V, H].</param>
    /// <param name="targets">I32 [T].</param>
    /// <param name="scale">The factor of each row's loss.</param>
    /// <param name="rowLosses">If not empty, the cross-entropy of every row (T), 0 where it does not count.</param>
    public HeadLoss HeadCrossEntropy(Tensor states, WeightMatrix head, Tensor targets, float scale, Span<float> rowLosses = default)
    {
        Tensor losses = New(1, 2), rows = New(1, states.Rows), lse = New(1, states.Rows);
        Tensor correct = _workspace.Rent(DType.I32, new Shape(states.Rows));
        Tensor? dStates = IsRecording ? New(states) : null, dHead = IsRecording ? ParameterGradient(head.Data) : null;
        Tensor rounded = HeadStates(states, head);
        _kernels.HeadCrossEntropy(rounded, HeadMatrix(head), targets, HeadParameters(head, scale), losses, rows, lse, dStates, dHead, correct);
        if (!ReferenceEquals(rounded, states))
            _workspace.Release(rounded);
        double sum = 0;
        long hits = 0;
        for (int t = 0; t < states.Rows; t++)
        {
            sum += Read(rows, t);
            hits += correct.Span<int>()[t];
            if (!rowLosses.IsEmpty)
                rowLosses[t] = (float)Read(rows, t);
        }
        HeadLoss result = new(Read(losses, 0), sum, hits);
        foreach (Tensor tensor in (ReadOnlySpan<Tensor>)[losses, rows, lse, correct])
            _workspace.Release(tensor);
        if (dStates is not null)
            AddGradient(states, dStates);
        return result;
    }

    private static double Read(Tensor tensor, int index) =>
        tensor.Type == DType.F64 ? tensor.Span<double>()[index] : tensor.Span<float>()[index];
}
