namespace Mellum2.Managed.Tests;

/// <summary>Finds <c>tests/golden</c>, the outputs of the reference implementations, from wherever the tests run.</summary>
public static class GoldenFolder
{
    /// <summary>The absolute path of <c>tests/golden</c>.</summary>
    public static string Root { get; } = Path.Combine(RepositoryRoot(), "tests", "golden");

    /// <summary>The absolute path of a file or folder below <c>tests/golden</c>.</summary>
    public static string Find(params string[] parts) => Path.Combine([Root, .. parts]);

    /// <summary>The folder that holds <c>Mellum2.Managed.sln</c>.</summary>
    public static string RepositoryRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "Mellum2.Managed.sln")))
                return folder.FullName;
        throw new InvalidOperationException("Mellum2.Managed.sln stands in no folder above the test binaries.");
    }
}
