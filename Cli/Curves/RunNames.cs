namespace Mellum2.Managed.Cli;

/// <summary>Short names for folders: the fewest last parts of their paths that tell them apart.</summary>
internal static class RunNames
{
    /// <summary>A name for each folder.</summary>
    public static string[] Of(IReadOnlyList<string> folders)
    {
        string[][] parts = [.. folders.Select(Parts)];
        int longest = parts.Max(part => part.Length);
        for (int count = 1; ; count++)
        {
            string[] names = [.. parts.Select(part => string.Join('/', part.TakeLast(count)))];
            if (count >= longest || names.Distinct(StringComparer.Ordinal).Count() == names.Length)
                return names;
        }
    }

    private static string[] Parts(string folder) =>
        Path.GetFullPath(folder).Split([Path.DirectorySeparatorChar, Path.AltDirectorySeparatorChar], StringSplitOptions.RemoveEmptyEntries);
}
