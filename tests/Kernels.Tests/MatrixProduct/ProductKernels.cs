using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>The product kernels of one width, whatever their type argument.</summary>
internal sealed class ProductKernels
{
    public delegate WeightMatrix PrepareFunction(ReadOnlySpan<WeightMatrix> parts);

    private ProductKernels(
        string name,
        PrepareFunction prepare,
        Action<Tensor, WeightMatrix, Tensor> matMul,
        Action<Tensor, Tensor?, int, Tensor, WeightMatrix[], Tensor> groupedMatMul,
        Func<WeightMatrix, WeightMatrix> prepareEmbedding,
        Action<Tensor, WeightMatrix, Tensor> embed)
    {
        (Name, Prepare, MatMul, GroupedMatMul, PrepareEmbedding, Embed) = (name, prepare, matMul, groupedMatMul, prepareEmbedding, embed);
    }

    public string Name { get; }

    public PrepareFunction Prepare { get; }

    public Action<Tensor, WeightMatrix, Tensor> MatMul { get; }

    public Action<Tensor, Tensor?, int, Tensor, WeightMatrix[], Tensor> GroupedMatMul { get; }

    public Func<WeightMatrix, WeightMatrix> PrepareEmbedding { get; }

    public Action<Tensor, WeightMatrix, Tensor> Embed { get; }

    /// <summary>Every width that this processor runs.</summary>
    public static ProductKernels[] All(WorkerPool pool)
    {
        List<ProductKernels> all = [Of<LanesScalar>(pool), Of<Lanes128>(pool), Of<Lanes256>(pool)];
        if (Processor.WidestVectors == VectorWidth.V512)
            all.Add(Of<Lanes512>(pool));
        return [.. all];
    }

    /// <summary>The widest that this processor runs.</summary>
    public static ProductKernels Widest(WorkerPool pool) => All(pool)[^1];

    public override string ToString() => Name;

    private static ProductKernels Of<T>(WorkerPool pool) where T : struct, ILanes<T>
    {
        SimdKernels<T> kernels = new(pool);
        return new(T.Name, kernels.Prepare, kernels.MatMul, kernels.GroupedMatMul, kernels.PrepareEmbedding, kernels.Embed);
    }
}
