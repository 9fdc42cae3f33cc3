using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed unsafe partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void TopCandidates(Tensor logits, int k, Tensor values, Tensor numbers)
    {
        int width = logits.Columns;
        for (int t = 0; t < logits.Rows; t++)
        {
            double[] row = logits.Span<double>().Slice(t * width, width).ToArray();
            int* target = numbers.Pointer<int>() + (long)t * (1 + Candidates.Room);
            int[] order = [.. Enumerable.Range(0, width).OrderByDescending(v => row[v]).ThenBy(v => v)];
            double least = row[order[Math.Min(k, width) - 1]];
            int[] kept = [.. order.TakeWhile(v => row[v] >= least && !double.IsNegativeInfinity(row[v]))];
            target[0] = row.Any(double.IsNaN) || kept.Length > Candidates.Room ? -1 : kept.Length;
            for (int i = 0; i < target[0]; i++)
            {
                target[1 + i] = kept[i];
                values.Pointer<double>()[(long)t * Candidates.Room + i] = row[kept[i]];
            }
        }
    }

    /// <inheritdoc/>
    public void TakeOut(Tensor row, Tensor ids, Tensor taken)
    {
        for (int i = 0; i < ids.Count; i++)
        {
            int id = ids.Pointer<int>()[i];
            if (id < 0)
                continue;
            ref double place = ref row.Pointer<double>()[id];
            taken.Pointer<double>()[i] = place;
            place = double.NegativeInfinity;
        }
    }
}
