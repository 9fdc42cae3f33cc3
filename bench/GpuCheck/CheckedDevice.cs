using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.GpuCheck;

/// <summary>How large the cases may be.</summary>
internal enum Extent
{
    /// <summary>On the emulator, where every thread of a group is one of the operating system.</summary>
    Emulated,

    /// <summary>What takes a few minutes.</summary>
    Quick,

    /// <summary>Everything.</summary>
    Full,
}

/// <summary>The device under check, and what is open on it: kernels and models, each when it is first wanted.</summary>
public sealed class CheckedDevice : IDisposable
{
    private const int ProbeBytes = 1000;

    private readonly Func<string, GpuDevice> _open;
    private readonly Dictionary<MatrixUnits, GpuKernels> _kernels = [];
    private readonly Dictionary<(string Folder, MatrixUnits? Units), RunningModel> _models = [];
    private readonly WorkerPool _pool = new(0);
    private GpuDevice? _gpu;

    /// <summary>Opens a device.</summary>
    /// <param name="name">What <see cref="GpuDevices.Open"/> knows.</param>
    /// <param name="goldens">The checkpoints.</param>
    /// <param name="isQuick">Whether a few minutes have to be enough.</param>
    /// <param name="open">Opens the device; null for <see cref="GpuDevices.Open"/>.</param>
    /// <param name="cancel">Ends a check early.</param>
    /// <exception cref="InvalidInputException">There is no such device or it cannot be used.</exception>
    public CheckedDevice(string name, GoldenFiles goldens, bool isQuick, Func<string, GpuDevice>? open = null, CancellationToken cancel = default)
    {
        _open = open ?? GpuDevices.Open;
        _gpu = _open(name);
        (Description, Goldens, Cancel) = (_gpu.Description, goldens, cancel);
        Extent = Description.Kind == GpuKind.Emulator ? Extent.Emulated : isQuick ? Extent.Quick : Extent.Full;
    }

    /// <summary>What was found out about it.</summary>
    public GpuDescription Description { get; }

    /// <summary>The device itself.</summary>
    /// <exception cref="InvalidInputException">It was lost.</exception>
    public GpuDevice Gpu => _gpu ?? throw new InvalidInputException($"The device {Description.Name} is not open.");

    internal GoldenFiles Goldens { get; }

    internal CancellationToken Cancel { get; }

    internal Extent Extent { get; }

    internal bool IsEmulated => Extent == Extent.Emulated;

    /// <summary>Whether it is the processor in another dress: then what is large takes too long.</summary>
    internal bool IsProcessor => Description.Kind is GpuKind.OpenClCpu or GpuKind.Emulator;

    internal ReferenceKernels Reference { get; } = new();

    internal bool HasTensorCores => GpuKernels.HasTensorCoresFor(Description, MatrixUnits.Automatic);

    /// <summary>What models run with here: float32 arithmetic, and tensor cores where the device has them.</summary>
    internal IReadOnlyList<MatrixUnits> ModelUnits => HasTensorCores ? [MatrixUnits.None, MatrixUnits.Automatic] : [MatrixUnits.None];

    /// <summary>What products are checked with: the simulated tensor cores too.</summary>
    internal IReadOnlyList<MatrixUnits> ProductUnits => [.. ModelUnits, MatrixUnits.Simulated];

    /// <summary>The kernels.</summary>
    internal GpuKernels Kernels(MatrixUnits units = MatrixUnits.Automatic)
    {
        if (!_kernels.TryGetValue(units, out GpuKernels? kernels))
            _kernels.Add(units, kernels = new GpuKernels(Gpu, new GpuKernelOptions { MatrixUnits = units }));
        return kernels;
    }

    /// <summary>A golden checkpoint on the device.</summary>
    internal MellumModel Model(string folder, MatrixUnits units) => Model(folder, units, () => Kernels(units));

    /// <summary>The same on the processor's own kernels.</summary>
    internal MellumModel ModelOnProcessor(string folder) => Model(folder, null, () => SimdKernels.Create(_pool));

    /// <summary>
    /// Closes the device and opens it again: a kernel that did not compile spoils the others, and an error of a device stays with
    /// what was open when it happened.
    /// </summary>
    /// <exception cref="InvalidInputException">The device is lost.</exception>
    internal void Renew()
    {
        Close();
        _gpu = _open(Description.Name);
        byte[] sent = new byte[ProbeBytes], received = new byte[ProbeBytes];
        Random.Shared.NextBytes(sent);
        using Tensor tensor = Tensor.Allocate(DType.U8, new Shape(ProbeBytes), Gpu);
        tensor.Write<byte>(sent);
        tensor.Read<byte>(received);
        if (!sent.AsSpan().SequenceEqual(received))
            throw new InvalidInputException($"The device {Description.Name} ({Description.Model}) does not give back what is copied to it.");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Close();
        _pool.Dispose();
    }

    private void Close()
    {
        foreach (RunningModel model in _models.Values)
            model.Dispose();
        foreach (GpuKernels kernels in _kernels.Values)
            kernels.Dispose();
        _models.Clear();
        _kernels.Clear();
        _gpu?.Dispose();
        _gpu = null;
    }

    private MellumModel Model(string folder, MatrixUnits? units, Func<IForwardKernels> kernels)
    {
        if (!_models.TryGetValue((folder, units), out RunningModel? model))
            _models.Add((folder, units), model = RunningModel.Load(Goldens.Folder(folder), kernels()));
        return model.Model;
    }
}
