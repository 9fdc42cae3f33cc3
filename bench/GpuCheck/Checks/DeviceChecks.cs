using System.Globalization;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.GpuCheck;

/// <summary>What the device is, and whether it gives back what it is given.</summary>
internal static class DeviceChecks
{
    private const string Section = "Device";
    private const int BlockBytes = 3 << 20;

    public static IEnumerable<Check> All() =>
    [
        new(Section, "description", Describe),
        new(Section, "copies", Copy),
    ];

    private static Outcome Describe(CheckedDevice device)
    {
        GpuDescription about = device.Description;
        return Outcome.Passed(string.Create(
            CultureInfo.InvariantCulture,
            $"{about.Name}, {about.Model}, {about.MemoryBytes:N0} bytes, {about.Driver}, {about.Capability}; {GpuKernels.UnitsOf(about)}, {GpuKernels.Float8UnitsOf(about)}"));
    }

    // Through the staging buffers and past them, from the beginning and from the middle, within the device and back.
    private static Outcome Copy(CheckedDevice device)
    {
        byte[] sent = new byte[BlockBytes], received = new byte[BlockBytes];
        new Random(1).NextBytes(sent);
        using Tensor first = Tensor.Allocate(DType.U8, new Shape(BlockBytes, 1), device.Gpu);
        using Tensor second = Tensor.Allocate(DType.U8, new Shape(BlockBytes, 1), device.Gpu);
        foreach (int bytes in (int[])[1, 1000, BlockBytes])
        {
            int at = (BlockBytes - bytes) / 2;
            first.Write<byte>(sent.AsSpan(at, bytes), at);
            first.CopyRowsTo(at, bytes, second, at);
            second.Read<byte>(received.AsSpan(at, bytes), at);
            if (!sent.AsSpan(at, bytes).SequenceEqual(received.AsSpan(at, bytes)))
                return Outcome.Failed($"a block of {bytes} bytes comes back changed");
        }
        return Outcome.Passed("to the device, within it and back: the same bytes");
    }
}
