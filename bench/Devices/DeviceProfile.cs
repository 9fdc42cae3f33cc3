namespace Mellum2.Managed.Bench;

/// <summary>What a device's data sheet promises.</summary>
/// <param name="Name">The product.</param>
/// <param name="Model">What its driver calls it.</param>
/// <param name="BytesPerSecond">Memory.</param>
/// <param name="TensorFlopsPerSecond">BF16 products on tensor cores with float32 sums, without sparsity.</param>
/// <param name="FlopsPerSecond">Float32 arithmetic outside of tensor cores.</param>
/// <param name="Source">The data sheet.</param>
internal sealed record DeviceProfile(
    string Name, string Model, double BytesPerSecond, double TensorFlopsPerSecond, double FlopsPerSecond, string Source)
{
    /// <summary>The devices that predictions are made for.</summary>
    public static IReadOnlyList<DeviceProfile> All { get; } =
    [
        new("RTX 4090", "NVIDIA GeForce RTX 4090", 1008e9, 165.2e12, 82.6e12, "NVIDIA, Ada GPU architecture (white paper)"),
        new("H100 SXM", "NVIDIA H100 80GB HBM3", 3350e9, 989.4e12, 66.9e12, "NVIDIA, H100 Tensor Core GPU (data sheet)"),
        new("H200 SXM", "NVIDIA H200", 4800e9, 989.4e12, 66.9e12, "NVIDIA, H200 Tensor Core GPU (data sheet)"),
    ];

    /// <summary>The profile of the device that a driver calls so; null for another device, of which others of a similar name are some.</summary>
    public static DeviceProfile? Of(string model) => All.FirstOrDefault(profile => profile.Model == model);
}
