using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Bench;

/// <summary>What the kernels of one kind have to do in one forward pass.</summary>
/// <param name="Kernel">The kind.</param>
/// <param name="Bytes">What has to come from memory or go there, every operand once.</param>
/// <param name="Flops">Multiplications and additions.</param>
/// <param name="IsProduct">Whether tensor cores can do it.</param>
internal readonly record struct KernelWork(string Kernel, double Bytes, double Flops, bool IsProduct)
{
    // Activations are float32 and so are their sums; what a kernel writes the next one reads.
    private const int Activation = sizeof(float);

    /// <summary>Whether both operands of the product are FP8.</summary>
    public bool IsFloat8 { get; private init; }

    /// <summary>
    /// The work of a pass of <paramref name="rows"/> tokens behind <paramref name="cached"/> others. Tokens choose their experts
    /// independently and evenly; logits are made for one row.
    /// </summary>
    /// <param name="shape">The model.</param>
    /// <param name="weights">BF16, or FP8: then the router stays BF16 and scales are counted.</param>
    /// <param name="rows">The tokens of the pass.</param>
    /// <param name="cached">The positions before them; keys and values are BF16.</param>
    /// <param name="roundsRows">
    /// Whether activations are rounded to E4M3 for the products by FP8 weights: a kernel of its own writes codes, which products read.
    /// </param>
    public static IReadOnlyList<KernelWork> Of(ModelConfiguration shape, DType weights, int rows, int cached, bool roundsRows = false)
    {
        double hidden = shape.HiddenSize, queries = shape.QuerySize, keys = shape.KeyValueSize, inner = shape.ExpertSize;
        int layers = shape.LayerCount, sliding = shape.LayerTypes.Count(kind => kind == AttentionKind.Sliding);
        double pairs = (double)rows * shape.ExpertsPerToken;
        double visited = shape.ExpertCount * (1 - Math.Pow(1 - (double)shape.ExpertsPerToken / shape.ExpertCount, rows));
        double element = weights == DType.F8E4M3 ? 1 + sizeof(float) / 16384.0 : weights.Size();
        double operand = roundsRows ? DType.F8E4M3.Size() : Activation, rounded = layers * (rows * (2 * hidden + queries) + pairs * inner) + hidden;
        IEnumerable<KernelWork> rounding = roundsRows ? [new("rows to E4M3", rounded * (Activation + operand), rounded * 4, false)] : [];
        return
        [
            new("embedding", rows * hidden * (element + Activation), 0, false),
            new("norms of the stream", (2 * layers + 1) * rows * hidden * 2 * Activation, (2 * layers + 1) * rows * hidden * 4, false),
            Product("q, k, v", layers, rows, hidden, queries + 2 * keys, element, operand),
            new("norm, rotation, append", layers * rows * (queries + 2 * keys) * 2 * Activation, layers * rows * (queries + keys) * 10, false),
            Attention("attention, sliding", sliding, shape, rows, cached, shape.SlidingWindow),
            Attention("attention, full", layers - sliding, shape, rows, cached, int.MaxValue),
            Product("attention output", layers, rows, queries, hidden, element, operand),
            Product("router", layers, rows, hidden, shape.ExpertCount, DType.BF16.Size(), Activation),
            new("routing and dispatch", layers * (rows * 2.0 * shape.ExpertCount + 5 * pairs) * Activation, layers * rows * 8.0 * shape.ExpertCount, false),
            Experts("gate and up of experts", layers, rows, pairs, visited, hidden, 2 * inner, element, operand, gathers: true),
            new("SwiGLU", layers * pairs * 3 * inner * Activation, layers * pairs * inner * 6, false),
            Experts("down of experts", layers, rows, pairs, visited, inner, hidden, element, operand, gathers: false),
            new("combine and residual", layers * (pairs + 4 * rows) * hidden * Activation, layers * (2 * pairs + 2 * rows) * hidden, false),
            Product("output head", 1, 1, hidden, shape.VocabularySize, element, operand),
            new("arg max", shape.VocabularySize * Activation, shape.VocabularySize, false),
            .. rounding,
        ];
    }

    /// <summary>The least seconds on a device: for its memory, or for its arithmetic.</summary>
    public double Seconds(DeviceProfile device) =>
        Math.Max(Bytes / device.BytesPerSecond, Flops / FlopsPerSecond(device));

    private double FlopsPerSecond(DeviceProfile device) =>
        IsFloat8 ? device.Fp8FlopsPerSecond : IsProduct ? device.TensorFlopsPerSecond : device.FlopsPerSecond;

    private static KernelWork Product(string kernel, int layers, double rows, double columns, double outputs, double element, double operand) => new(
        kernel, layers * (columns * outputs * element + rows * (columns * operand + outputs * Activation)), layers * 2 * rows * columns * outputs, true)
    {
        IsFloat8 = operand < Activation,
    };

    private static KernelWork Experts(
        string kernel, int layers, double rows, double pairs, double visited, double columns, double outputs, double element, double operand,
        bool gathers) => new(
        kernel,
        layers * (visited * columns * outputs * element + (gathers ? rows : pairs) * columns * operand + pairs * outputs * Activation),
        layers * 2 * pairs * columns * outputs,
        true)
        {
            IsFloat8 = operand < Activation,
        };

    private static KernelWork Attention(string kernel, int layers, ModelConfiguration shape, int rows, int cached, int window)
    {
        double seen = 0;
        for (int i = 0; i < rows; i++)
            seen += Math.Min(cached + i + 1, window);
        // Every key and value that some row sees comes from memory once.
        double held = Math.Min(cached + rows, (long)window + rows - 1);
        return new(
            kernel,
            layers * (held * 2 * shape.KeyValueSize * DType.BF16.Size() + rows * 2.0 * shape.QuerySize * Activation),
            layers * seen * 4 * shape.QuerySize,
            false);
    }
}
