using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    private readonly WeightKernels<EmbedArguments> _embed = new(
        "Embed", EmbedKernel<Float32Word>, EmbedKernel<BFloat16Word>, EmbedKernel<Float16Word>, EmbedKernel<Float8Word>);

    /// <inheritdoc/>
    public void Embed(Tensor ids, WeightMatrix table, Tensor y)
    {
        EmbedArguments arguments = new()
        {
            Ids = ids.View<int>(),
            Weights = WeightView.Of(table),
            Y = y.View<float>(),
            Vocabulary = table.Rows,
        };
        _embed.For(table.Format).Run(_device, (int)ids.Count, 1, Threads, arguments);
    }

    /// <summary>One group for each token.</summary>
    private static void EmbedKernel<TWord>(EmbedArguments a) where TWord : struct, IWeightWord
    {
        int id = a.Ids[Grid.IdxX];
        bool valid = id >= 0 && id < a.Vocabulary;
        for (int c = Group.IdxX; c < a.Weights.Columns; c += Threads)
        {
            float value = float.NaN;
            if (valid)
            {
                uint word = a.Weights.Words[(long)id * a.Weights.RowWords + c / TWord.Count];
                value = TWord.Decode(word, c % TWord.Count) * a.Weights.Scale(id, c);
            }
            a.Y[(long)Grid.IdxX * a.Weights.Columns + c] = value;
        }
    }

    internal struct EmbedArguments
    {
        public ArrayView<int> Ids;
        public WeightView Weights;
        public ArrayView<float> Y;
        public int Vocabulary;
    }
}
