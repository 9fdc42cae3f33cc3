using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.GpuCheck;

/// <summary>A model on kernels that belong to someone else: many models share the compiled kernels of one device.</summary>
internal sealed class RunningModel : IDisposable
{
    private readonly PooledWorkspace _workspace;

    private RunningModel(ModelConfiguration configuration, IWeightSource source, bool withMtp, IForwardKernels kernels, CancellationToken cancel)
    {
        ModelWeights weights = new WeightLoader(configuration, source, kernels).Load(withMtp, cancel: cancel);
        _workspace = new PooledWorkspace(kernels.Device.Allocate);
        Model = new MellumModel(configuration, weights, new ForwardContext(kernels, _workspace));
    }

    public MellumModel Model { get; }

    /// <summary>A checkpoint with its MTP head.</summary>
    public static RunningModel Load(string folder, IForwardKernels kernels)
    {
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        return new RunningModel(configuration, checkpoint, checkpoint.Validate(configuration), kernels, default);
    }

    /// <summary>Random weights of a shape.</summary>
    public static RunningModel Random(ModelConfiguration configuration, DType format, IForwardKernels kernels, CancellationToken cancel) =>
        new(configuration, new RandomWeights(format, seed: 1), withMtp: false, kernels, cancel);

    /// <inheritdoc/>
    public void Dispose()
    {
        Model.Dispose();
        _workspace.Dispose();
    }
}
