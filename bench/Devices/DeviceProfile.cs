namespace Mellum2.Managed.Bench;

/// <summary>What a device's data sheet promises.</summary>
/// <param name="Name">The product and its variant.</param>
/// <param name="Model">What its driver calls it.</param>
/// <param name="BytesPerSecond">Memory.</param>
/// <param name="TensorFlopsPerSecond">BF16 products on tensor cores with float32 sums, without sparsity.</param>
/// <param name="Fp8FlopsPerSecond">FP8 products on tensor cores with float32 sums, without sparsity.</param>
/// <param name="FlopsPerSecond">Float32 arithmetic outside of tensor cores.</param>
/// <param name="MemoryBytes">The memory's size, in powers of ten as data sheets have it.</param>
/// <param name="CacheBytes">The second-level cache.</param>
/// <param name="Source">The data sheet.</param>
internal sealed record DeviceProfile(
    string Name, string Model, double BytesPerSecond, double TensorFlopsPerSecond, double Fp8FlopsPerSecond, double FlopsPerSecond,
    double MemoryBytes, double CacheBytes, string Source)
{
    /// <summary>The devices that predictions are made for.</summary>
    public static IReadOnlyList<DeviceProfile> All { get; } =
    [
        // "NVIDIA Ada GPU Architecture" (white paper), the GeForce RTX 4090. Tensor figures stand there as dense / sparse, and once more
        // with float16 sums, which are twice as fast (FP8 660.6) and not what is computed here.
        new("RTX 4090", "NVIDIA GeForce RTX 4090", 1008e9, 165.2e12, 330.3e12, 82.6e12, 24e9, 72 << 20, "Ada GPU Architecture, white paper"),

        // "NVIDIA H100 Tensor Core GPU" (data sheet), the SXM5 variant: its tensor figures are with sparsity, twice the dense ones, which
        // "NVIDIA H100 Tensor Core GPU Architecture" (white paper) has to a digit more, with the cache. The PCIe variant (2,000 GB/s,
        // 756 TFLOPS of BF16, 51 of float32) is not this one.
        new("H100 SXM", "NVIDIA H100 80GB HBM3", 3350e9, 989.4e12, 1978.9e12, 66.9e12, 80e9, 50 << 20, "H100 Tensor Core GPU, data sheet and white paper"),

        // "NVIDIA H200 Tensor Core GPU" (data sheet), the SXM variant: the arithmetic of the H100 SXM5, whose chip it has, and hence its
        // cache, which the sheet does not name.
        new("H200 SXM", "NVIDIA H200", 4800e9, 989.4e12, 1978.9e12, 66.9e12, 141e9, 50 << 20, "H200 Tensor Core GPU, data sheet"),
    ];

    /// <summary>The profile of the device that a driver calls so; null for another device, of which others of a similar name are some.</summary>
    public static DeviceProfile? Of(string model) => All.FirstOrDefault(profile => profile.Model == model);
}
