using System.Reflection;
using System.Text;
using System.Text.RegularExpressions;
using ILGPU.Backends.PTX;

namespace Mellum2.Managed.Engine;

/// <summary>
/// What has to be changed in the PTX that ILGPU 1.5.3 writes. Everything that inline PTX reads or writes by reference is a
/// variable in local memory there, with a store before and a load behind every instruction of the tensor cores, and neither ILGPU
/// nor the assembler puts it into a register. A local variable of one word whose address goes nowhere is as well a register.
/// </summary>
internal static partial class PtxText
{
    // A compiled kernel has no public way to be given another text.
    private static readonly FieldInfo s_text =
        typeof(PTXCompiledKernel).GetField("<PTXAssembly>k__BackingField", BindingFlags.Instance | BindingFlags.NonPublic)!;

    /// <summary>Changes the text of a kernel that is not loaded yet.</summary>
    public static PTXCompiledKernel KeepInRegisters(PTXCompiledKernel kernel)
    {
        s_text.SetValue(kernel, KeepInRegisters(kernel.PTXAssembly));
        return kernel;
    }

    /// <summary>The text with local variables in registers, wherever it reads and writes them as a whole.</summary>
    public static string KeepInRegisters(string text)
    {
        // Names of variables are those of one function.
        if (!text.Contains("__local_depot", StringComparison.Ordinal) || text.Contains(".func", StringComparison.Ordinal))
            return text;
        string[] lines = text.Split('\n');
        // The register that holds the address of a variable, by its one assignment.
        Dictionary<string, string> addresses = [];
        foreach (string line in lines)
            if (Address().Match(line) is { Success: true } match)
                addresses.Add(match.Groups[1].Value, match.Groups[2].Value);
        HashSet<string> kept = [.. addresses.Values.Where(variable => Declares(lines, variable))];
        foreach (string line in lines)
        {
            if (Address().IsMatch(line) || Access().IsMatch(line))
                continue;
            foreach (Match register in Register().Matches(line))
                if (addresses.TryGetValue(register.Value, out string? variable))
                    kept.Remove(variable);
        }
        StringBuilder result = new(text.Length);
        foreach (string line in lines)
            result.Append(Rewrite(line, addresses, kept)).Append('\n');
        result.Length--;
        return result.ToString();
    }

    private static bool Declares(string[] lines, string variable) =>
        lines.Any(line => Declaration().Match(line) is { Success: true } match && match.Groups[1].Value == variable);

    private static string Rewrite(string line, Dictionary<string, string> addresses, HashSet<string> kept)
    {
        if (Declaration().Match(line) is { Success: true } declaration && kept.Contains(declaration.Groups[1].Value))
            return $"\t.reg .b32\t%{declaration.Groups[1].Value};";
        if (Address().Match(line) is { Success: true } address && kept.Contains(address.Groups[2].Value))
            return "";
        if (Access().Match(line) is { Success: true } access)
        {
            bool isLoad = access.Groups["load"].Success;
            string register = access.Groups["address"].Value, value = access.Groups["value"].Value;
            if (addresses.TryGetValue(register, out string? variable) && kept.Contains(variable))
                return isLoad ? $"\tmov.b32\t{value}, %{variable};" : $"\tmov.b32\t%{variable}, {value};";
        }
        return line;
    }

    [GeneratedRegex(@"^\s*\.local \.align 4 \.b8 (__local_depot\d+)\[4\];$")]
    private static partial Regex Declaration();

    [GeneratedRegex(@"^\s*mov\.b64\s+(%\w+), (__local_depot\d+);$")]
    private static partial Regex Address();

    [GeneratedRegex(@"^\s*(?:(?<load>ld)\.local\.[bf]32\s+(?<value>%\w+), \[(?<address>%\w+)\]|st\.local\.[bf]32\s+\[(?<address>%\w+)\], (?<value>[%\w]+));$")]
    private static partial Regex Access();

    [GeneratedRegex(@"%\w+")]
    private static partial Regex Register();
}
