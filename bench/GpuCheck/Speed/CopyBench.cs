using Mellum2.Managed.Engine;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Bandwidth of copies of one large block.</summary>
internal static class CopyBench
{
    public static IEnumerable<Measurement> Run(CheckedDevice device)
    {
        int bytes = device.IsEmulated ? 1 << 20 : 256 << 20;
        byte[] host = new byte[bytes];
        Shape shape = new(bytes >> 10, 1 << 10);
        using Tensor a = Tensor.Allocate(DType.U8, shape, device.Gpu), b = Tensor.Allocate(DType.U8, shape, device.Gpu);
        Measurement Rate(string what, double moved, double seconds, double? most = null) =>
            new($"{what}, {bytes >> 20} MiB", moved / seconds / 1e9, "GB/s", most / 1e9);
        yield return Rate("host to device", bytes, device.Time(1, _ => a.Write<byte>(host)));
        yield return Rate("device to host", bytes, device.Time(1, _ => a.Read<byte>(host)));
        // A copy within the device reads and writes.
        yield return Rate("device to device, read and written", 2.0 * bytes, device.Time(1, _ => a.CopyRowsTo(0, a.Rows, b, 0)), device.Profile()?.BytesPerSecond);
    }
}
