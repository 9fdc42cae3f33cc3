using System.Text.RegularExpressions;

namespace Mellum2.Managed.Tests;

/// <summary>The programs in the README are compiled: they stand between marks in the *Example.cs files of test projects.</summary>
public static partial class ReadmeExamples
{
    /// <summary>The examples of a test project: name, code without its indentation, and whether the README has exactly that.</summary>
    /// <param name="project">The folder below tests/.</param>
    public static IReadOnlyList<(string Name, string Code, bool IsInReadme)> Of(string project)
    {
        string readme = File.ReadAllText(Path.Combine(GoldenFolder.RepositoryRoot(), "README.md")).ReplaceLineEndings("\n");
        List<(string, string, bool)> examples = [];
        foreach (string file in Directory.GetFiles(Path.Combine(GoldenFolder.RepositoryRoot(), "tests", project, "Examples"), "*Example.cs"))
        {
            foreach (Match example in Example().Matches(File.ReadAllText(file).ReplaceLineEndings("\n")))
            {
                string[] lines = example.Groups["code"].Value.TrimEnd().Split('\n');
                int indent = lines.Where(line => line.Length > 0).Min(line => line.Length - line.TrimStart().Length);
                string code = string.Join('\n', lines.Select(line => line.Length == 0 ? line : line[indent..]));
                examples.Add((example.Groups["name"].Value, code, readme.Contains(code, StringComparison.Ordinal)));
            }
        }
        return examples;
    }

    [GeneratedRegex("""// <example name="(?<name>[^"]+)">\n(?<code>.*?)\n\s*// </example>""", RegexOptions.Singleline)]
    private static partial Regex Example();
}
