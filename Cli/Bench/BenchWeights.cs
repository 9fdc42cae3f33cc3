using Mellum2.Managed.Model;

namespace Mellum2.Managed.Cli;

/// <summary>The weights that a token multiplies by, of what <c>bench</c> measures.</summary>
internal static class BenchWeights
{
    /// <summary>Counts the weights of a checkpoint; <paramref name="isReference"/>: as the float64 kernels hold them.</summary>
    public static ActiveWeights Of(Checkpoint checkpoint, ModelConfiguration configuration, bool isReference) => ActiveWeights.Of(
        configuration,
        tensor =>
        {
            if (isReference)
                return tensor.Shape.Count * sizeof(double);
            long bytes = checkpoint.Find(tensor.Name).Stored.ByteLength;
            foreach (string suffix in (string[])["_scale", "_scale_inv"])
                if (checkpoint.TryFind(tensor.Name + suffix, out CheckpointTensor? scale))
                    bytes += scale.Stored.ByteLength;
            return bytes;
        });

    /// <summary>Counts the weights of a shape.</summary>
    public static ActiveWeights Of(NamedShape shape, bool isReference) => ActiveWeights.Of(
        shape.Configuration,
        tensor => isReference ? tensor.Shape.Count * sizeof(double) : ShapeBytes.Of(tensor, shape.Format).Sum(part => part.Bytes));
}
