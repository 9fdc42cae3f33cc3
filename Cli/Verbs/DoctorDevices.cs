using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Cli;

/// <summary>The devices in what <c>doctor</c> tells: those that <c>--device</c> takes, and why others are not there or not usable.</summary>
internal static class DoctorDevices
{
    /// <summary>A row for each device and for each kind without one.</summary>
    public static IEnumerable<IReadOnlyList<string>> Rows()
    {
        foreach (GpuDescription device in GpuDevices.List())
        {
            string state = device.Unusable is null ? $"usable, {GpuKernels.UnitsOf(device)}; --products fp8: {GpuKernels.Float8UnitsOf(device)}" : $"cannot be used: {device.Unusable}";
            yield return [$"--device {device.Name}", $"{device.Model}, {Quantity.Bytes(device.MemoryBytes)}, {device.Driver}, {device.Capability}; {state}"];
        }
        foreach (string reason in GpuDevices.Missing())
            yield return ["no device", reason];
    }

    /// <summary>The same as fields <c>devices</c> and <c>missing_devices</c> of the JSON object.</summary>
    public static void Write(Utf8JsonWriter json)
    {
        json.WriteStartArray("devices");
        foreach (GpuDescription device in GpuDevices.List())
        {
            json.WriteStartObject();
            json.WriteString("name", device.Name);
            json.WriteString("model", device.Model);
            json.WriteNumber("memory_bytes", device.MemoryBytes);
            json.WriteString("driver", device.Driver);
            json.WriteString("capability", device.Capability);
            json.WriteBoolean("usable", device.Unusable is null);
            if (device.Unusable is not null)
                json.WriteString("reason", device.Unusable);
            json.WriteEndObject();
        }
        json.WriteEndArray();
        json.WriteStartArray("missing_devices");
        foreach (string reason in GpuDevices.Missing())
            json.WriteStringValue(reason);
        json.WriteEndArray();
    }
}
