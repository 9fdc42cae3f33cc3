using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// A trunk from one source with an MTP head from another: released checkpoints have no head, and one that is to be trained for
/// them begins with <see cref="InitialWeights"/>.
/// </summary>
/// <param name="trunk">Where all other weights come from; it stays its owner's.</param>
/// <param name="head">Where the tensors of the head come from.</param>
public sealed class FreshMtpHead(IWeightSource trunk, IWeightSource head) : IWeightSource
{
    /// <inheritdoc/>
    public WeightMatrix OpenMatrix(string name, int rows, int columns) => SourceOf(name).OpenMatrix(name, rows, columns);

    /// <inheritdoc/>
    public Tensor OpenVector(string name, int length) => SourceOf(name).OpenVector(name, length);

    private IWeightSource SourceOf(string name) => ModelConfiguration.IsMtp(name) ? head : trunk;
}
