using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Gpu.Tests;

public sealed class ActivationPlanTests
{
    public static IEnumerable<object[]> Folders() =>
        from folder in Directory.GetDirectories(GoldenFolder.Find("models"))
        from products in (ProductPrecision[])[ProductPrecision.F32, ProductPrecision.FP8]
        select new object[] { Path.GetFileName(folder), products };

    [Theory]
    [MemberData(nameof(Folders))]
    public void Is_more_than_a_run_takes_and_not_much_more(string folder, ProductPrecision products)
    {
        const int Rows = 200;
        ModelConfiguration configuration = ModelConfiguration.Load(GoldenFolder.Find("models", folder));
        using WorkerPool pool = new(1);
        using Checkpoint checkpoint = Checkpoint.Open(GoldenFolder.Find("models", folder));
        bool withMtp = checkpoint.Validate(configuration);
        IForwardKernels kernels = SimdKernels.Create(pool);
        using PooledWorkspace workspace = new();
        IWeightSource source = checkpoint;
        if (products == ProductPrecision.FP8)
            (kernels, source) = (new Float8Kernels((IFloat8Kernels)kernels, workspace), new RandomWeights(DType.F8E4M3, 1));
        using MellumModel model = new(
            configuration, new WeightLoader(configuration, source, kernels).Load(withMtp), new ForwardContext(kernels, workspace));
        using TokenDecoder decoder = new(model, new DecoderOptions
        {
            Context = Rows + 8,
            Chunk = Rows,
            Sampler = StandardSampler.Create(SamplerOptions.Greedy, configuration.VocabularySize),
            Speculation = withMtp ? new SpeculationOptions(DraftKind.Mtp, 3) : SpeculationOptions.Off,
        });
        decoder.Prefill(new int[Rows]);
        decoder.TryNext(out _);
        decoder.TryNext(out _);
        // Passes of one and of four rows have memory of their own beside that of the prefill.
        long plan = ActivationPlan.Bytes(configuration, Rows + 5, 5, withMtp);
        Assert.InRange(plan, workspace.ByteLength, 3 * workspace.ByteLength);

        // Passes of many sizes keep within it, and what they give back changes nothing.
        int[] first = Run(decoder, 77);
        workspace.Reserve(plan);
        for (int length = 1; length <= Rows; length += length < 40 ? 7 : 19)
        {
            _ = Run(decoder, length);
            Assert.InRange(workspace.ByteLength, 1, plan);
        }
        Assert.Equal(first, Run(decoder, 77));
    }

    private static int[] Run(TokenDecoder decoder, int length)
    {
        // No two lengths have a beginning in common that would be reused.
        decoder.Prefill([.. Enumerable.Repeat(length, length)]);
        Assert.True(decoder.TryNext(out GeneratedToken one) && decoder.TryNext(out GeneratedToken _));
        return [one.Id];
    }
}
