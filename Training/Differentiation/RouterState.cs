using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>What a tape keeps about a router: how its experts are loaded in the step.</summary>
public sealed class RouterState : IDisposable
{
    internal RouterState(int experts) => Loads = Tensor.Allocate(DType.I32, new Shape(experts));

    /// <summary>I32 [experts]: the (token, slot) pairs that each expert got in the micro-batches of the step so far.</summary>
    public Tensor Loads { get; }

    /// <summary>
    /// The rows that the router sees in the whole step: its losses are means over them. 0: those of the micro-batch.
    /// </summary>
    public long StepRows { get; set; }

    /// <inheritdoc/>
    public void Dispose() => Loads.Dispose();
}
