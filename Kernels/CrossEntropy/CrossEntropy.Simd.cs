using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class SimdKernels<TLanes>
{
    // Logits that exist at once, and how many rows that may be: every block reads and writes the whole gradient of the head.
    private const int HeadLogits = 1 << 22, LeastHeadRows = 128, MostHeadRows = 1024;

    private Tensor? _headStates, _headTargets, _headLogits, _headRowLosses, _headLse, _headGradients;

    /// <inheritdoc cref="ITrainingKernels.CrossEntropy"/>
    public void CrossEntropy(
        Tensor logits, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse, Tensor? dLogits)
    {
        CrossEntropyTargets.Check(targets, logits.Columns);
        CrossEntropyRows(logits, targets, parameters, rowLosses, lse, dLogits);
        SumLosses(targets, parameters, losses, rowLosses, lse);
    }

    /// <inheritdoc cref="ITrainingKernels.HeadCrossEntropy"/>
    public void HeadCrossEntropy(
        Tensor states, WeightMatrix head, Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse,
        Tensor? dStates, Tensor? dHead, Tensor? correct = null)
    {
        CrossEntropyTargets.Check(targets, head.Rows);
        int blockRows = Math.Clamp(HeadLogits / Math.Max(1, head.Rows), LeastHeadRows, MostHeadRows);
        bool differentiate = dStates is not null || dHead is not null;
        for (int first = 0; first < states.Rows; first += blockRows)
        {
            int rows = Math.Min(blockRows, states.Rows - first);
            Tensor x = Block(ref _headStates, DType.F32, rows, states.Columns), target = Block(ref _headTargets, DType.I32, rows, 1);
            Tensor logits = Block(ref _headLogits, DType.F32, rows, head.Rows), blockLse = Block(ref _headLse, DType.F32, rows, 1);
            Tensor blockLosses = Block(ref _headRowLosses, DType.F32, rows, 1);
            RowCopies.Copy(states, first, x);
            targets.Span<int>().Slice(first, rows).CopyTo(target.Span<int>());
            MatMul(x, head, logits);
            if (correct is not null)
            {
                ArgMaxJob hits = new(logits.Pointer<float>(), target.Pointer<int>(), correct.Pointer<int>() + first, head.Rows);
                _pool.For(ref hits, rows, Math.Max(1, ElementsPerChunk / head.Rows));
            }
            CrossEntropyRows(logits, target, parameters, blockLosses, blockLse, differentiate ? logits : null);
            blockLosses.Span<float>().CopyTo(rowLosses.Span<float>()[first..]);
            blockLse.Span<float>().CopyTo(lse.Span<float>()[first..]);
            if (differentiate && parameters.RoundGradients)
                RoundToBFloat16(logits, logits);
            if (dHead is not null)
                MatMulBackwardWeight(logits, x, dHead);
            if (dStates is null)
                continue;
            Tensor dx = Block(ref _headGradients, DType.F32, rows, states.Columns);
            MatMulBackwardInput(logits, head, dx);
            dx.Span<float>().CopyTo(dStates.Span<float>()[(first * states.Columns)..]);
        }
        SumLosses(targets, parameters, losses, rowLosses, lse);
    }

    // A tensor of a block of rows, kept for the next call.
    private static Tensor Block(ref Tensor? kept, DType type, int rows, int columns)
    {
        Shape shape = new(rows, columns);
        if (kept is not null && kept.CapacityBytes >= shape.Count * type.Size())
        {
            kept.Reinterpret(type, shape);
            return kept;
        }
        kept?.Dispose();
        kept = null;
        return kept = Tensor.Allocate(type, shape);
    }

    private void CrossEntropyRows(
        Tensor logits, Tensor targets, CrossEntropyParameters parameters, Tensor rowLosses, Tensor lse, Tensor? dLogits)
    {
        LogSumExp(logits, lse);
        int width = logits.Columns, rows = logits.Rows;
        for (int t = 0; t < rows; t++)
        {
            int target = targets.Pointer<int>()[t];
            rowLosses.Pointer<float>()[t] = target == CrossEntropyParameters.Ignored
                ? 0
                : lse.Pointer<float>()[t] - logits.Pointer<float>()[(long)t * width + target];
        }
        if (dLogits is null)
            return;
        CrossEntropyJob job = new(logits.Pointer<float>(), targets.Pointer<int>(), lse.Pointer<float>(), dLogits.Pointer<float>(), width, parameters);
        int blocks = (width + CrossEntropyJob.BlockSize - 1) / CrossEntropyJob.BlockSize;
        _pool.For(ref job, checked(rows * blocks), Math.Max(1, ElementsPerChunk / Math.Clamp(width, 1, CrossEntropyJob.BlockSize)));
    }

    private static void SumLosses(Tensor targets, CrossEntropyParameters parameters, Tensor losses, Tensor rowLosses, Tensor lse)
    {
        double entropy = 0, squares = 0;
        for (int t = 0; t < targets.Count; t++)
        {
            if (targets.Pointer<int>()[t] == CrossEntropyParameters.Ignored)
                continue;
            double logSum = lse.Pointer<float>()[t];
            entropy += rowLosses.Pointer<float>()[t];
            squares += logSum * logSum;
        }
        losses.Pointer<float>()[0] = (float)(parameters.Scale * entropy);
        losses.Pointer<float>()[1] = (float)((double)parameters.Scale * parameters.ZLoss * squares);
    }

    // Item: a row. The target is the arg max if what comes before it is less and what comes behind it is not more.
    private readonly struct ArgMaxJob(float* logits, int* targets, int* correct, int width) : IParallelJob
    {
        public void Run(int begin, int end, int worker)
        {
            for (int t = begin; t < end; t++)
            {
                float* row = logits + (long)t * width;
                int target = targets[t];
                correct[t] = target != CrossEntropyParameters.Ignored
                    && Largest(row, target) < row[target] && Largest(row + target, width - target) <= row[target] ? 1 : 0;
            }
        }

        private static float Largest(float* values, int count)
        {
            TLanes largest = TLanes.Broadcast(float.NegativeInfinity);
            int i = 0;
            for (; i <= count - 16; i += 16)
                largest = TLanes.Max(TLanes.Load(values + i), largest);
            if (i < count)
                largest = TLanes.Max(LaneTail<TLanes>.Load(values + i, count - i, float.NegativeInfinity), largest);
            return TLanes.MaxLane(largest);
        }
    }

    // Item: a block of a row's logits.
    private readonly struct CrossEntropyJob(
        float* logits, int* targets, float* lse, float* dLogits, int width, CrossEntropyParameters parameters) : IParallelJob
    {
        public const int BlockSize = 4096;

        public void Run(int begin, int end, int worker)
        {
            int blocks = (width + BlockSize - 1) / BlockSize;
            for (int item = begin; item < end; item++)
            {
                int t = item / blocks, first = item % blocks * BlockSize, count = Math.Min(BlockSize, width - first);
                long place = (long)t * width + first;
                int target = targets[t] - first;
                if (targets[t] == CrossEntropyParameters.Ignored)
                    new Span<float>(dLogits + place, count).Clear();
                else
                    Row(logits + place, dLogits + place, count, lse[t], (uint)target < (uint)count ? target : -1);
            }
        }

        private void Row(float* source, float* gradient, int count, float logSum, int target)
        {
            float factor = 1 + 2 * parameters.ZLoss * logSum;
            TLanes shift = TLanes.Broadcast(logSum), scale = TLanes.Broadcast(parameters.Scale * factor);
            // The target's weight and the one are subtracted before they are scaled: they nearly cancel where the model is right.
            float atTarget = target < 0 ? 0 : parameters.Scale * (LaneMath<TLanes>.Exp(source[target] - logSum) * factor - 1);
            int i = 0;
            for (; i <= count - 16; i += 16)
                TLanes.Store(LaneMath<TLanes>.Exp(TLanes.Load(source + i) - shift) * scale, gradient + i);
            if (i < count)
                LaneTail<TLanes>.Store(LaneMath<TLanes>.Exp(LaneTail<TLanes>.Load(source + i, count - i) - shift) * scale, gradient + i, count - i);
            if (target >= 0)
                gradient[target] = atTarget;
        }
    }
}
