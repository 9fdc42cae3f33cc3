namespace Mellum2.Managed.Gpu.Tests;

/// <summary>A theory that needs a program which not every machine has; without it the theory is skipped with that reason.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class ToolTheoryAttribute : TheoryAttribute
{
    /// <summary>Skips the theory where there is no <paramref name="program"/> on the PATH.</summary>
    public ToolTheoryAttribute(string program)
    {
        Program = program;
        if (Find(program) is null)
            Skip = $"{program} is not on the PATH; .ci/gpu-ladder installs it.";
    }

    /// <summary>The program.</summary>
    public string Program { get; }

    /// <summary>Where a program is; null if it is nowhere on the PATH.</summary>
    internal static string? Find(string program) => (Environment.GetEnvironmentVariable("PATH") ?? "")
        .Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
        .Select(folder => Path.Combine(folder, program)).FirstOrDefault(File.Exists);
}
