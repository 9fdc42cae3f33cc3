using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Cli;

/// <summary>The places below a demonstration's folder.</summary>
internal sealed class DemoFolder(string path)
{
    private const string Name = "mellum2-demo";

    /// <summary>The folder as it was named.</summary>
    public string Path => path;

    /// <summary>The tokenizer.</summary>
    public string Tokenizer => In("tokenizer");

    /// <summary>The tokens to train on, as documents.</summary>
    public string Training => In("training");

    /// <summary>The tokens that are held out, as documents.</summary>
    public string HeldOut => In("held-out");

    /// <summary>The run.</summary>
    public string Run => In("run");

    /// <summary>The samples of the run and of the trial run.</summary>
    public string Samples => In("samples");

    /// <summary>The run of a few steps that measures how fast they go.</summary>
    public string Trial => In("trial");

    /// <summary>Takes a new folder.</summary>
    /// <exception cref="InvalidInputException">It has something in it.</exception>
    public static DemoFolder Create(string? given)
    {
        string path = given ?? Name;
        if (File.Exists(path) || (Directory.Exists(path) && Directory.EnumerateFileSystemEntries(path).Any()))
            throw new InvalidInputException($"{path} exists and is not an empty folder; name a new one with --output, or remove it.");
        return new DemoFolder(System.IO.Path.GetFullPath(path));
    }

    /// <summary>Removes the trial run.</summary>
    public void RemoveTrial()
    {
        if (Directory.Exists(Trial))
            Directory.Delete(Trial, recursive: true);
    }

    private string In(string name) => System.IO.Path.Combine(path, name);
}
