using System.Reflection;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.GpuCheck;

/// <summary>
/// Small checkpoints and what the reference implementation computes with them. They are inside of the program; checkpoints are
/// mapped files, so they are unpacked into a temporary folder, which goes away with the program.
/// </summary>
public sealed class GoldenFiles : IDisposable
{
    private readonly DirectoryInfo? _temporary;

    private GoldenFiles(string root, DirectoryInfo? temporary) => (Root, _temporary) = (root, temporary);

    /// <summary>The small trained checkpoint.</summary>
    internal const string Mini = "mini";

    /// <summary>All checkpoints, from the smallest to the trained one.</summary>
    internal static IReadOnlyList<string> All { get; } = ["models/tiny", "models/odd", "models/wide", Mini];

    private string Root { get; }

    /// <summary>The files in a folder that is laid out as tests/golden.</summary>
    public static GoldenFiles At(string folder) => new(folder, null);

    /// <summary>Unpacks what the program has inside.</summary>
    /// <exception cref="InvalidInputException">The temporary folder cannot be written.</exception>
    public static GoldenFiles Unpack()
    {
        try
        {
            DirectoryInfo folder = Directory.CreateTempSubdirectory("gpu-check-");
            Assembly program = typeof(GoldenFiles).Assembly;
            foreach (string name in program.GetManifestResourceNames())
            {
                string path = Path.Combine(folder.FullName, name.Replace('\\', '/'));
                Directory.CreateDirectory(Path.GetDirectoryName(path)!);
                using Stream source = program.GetManifestResourceStream(name)!;
                using FileStream target = File.Create(path);
                source.CopyTo(target);
            }
            return new GoldenFiles(folder.FullName, folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"The checkpoints cannot be unpacked into {Path.GetTempPath()}: {e.Message}", e);
        }
    }

    /// <summary>The folder of a checkpoint.</summary>
    internal string Folder(string name) => Path.Combine(Root, name);

    /// <summary>What the reference implementation computes with it.</summary>
    internal GoldenTensors Expected(string name) => GoldenTensors.Read(Path.Combine(Folder(name), "expected.safetensors"));

    /// <inheritdoc/>
    public void Dispose()
    {
        try
        {
            _temporary?.Delete(recursive: true);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The system clears its temporary folder.
        }
    }
}
