using System.Text;

namespace Mellum2.Managed.Model.Tests;

/// <summary>An empty folder that is removed at the end of a test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public string Root { get; } = Directory.CreateTempSubdirectory("mellum2-").FullName;

    public string Combine(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>Writes a safetensors file of a header and so many zero bytes.</summary>
    public string Write(string name, string json, long dataLength)
    {
        string path = Combine(name);
        using FileStream stream = File.Create(path);
        byte[] header = Encoding.UTF8.GetBytes(json);
        stream.Write(BitConverter.GetBytes((ulong)header.Length));
        stream.Write(header);
        stream.SetLength(stream.Position + dataLength);
        return path;
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}
