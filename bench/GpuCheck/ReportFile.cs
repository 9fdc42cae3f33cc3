using System.Text;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.GpuCheck;

/// <summary>The file of the report, which has at any time what is known by then.</summary>
/// <param name="path">Where it is to be; null for nowhere.</param>
internal sealed class ReportFile(string? path)
{
    /// <summary>Refuses a place that cannot be written, before hours are spent on what has to go there.</summary>
    /// <exception cref="InvalidInputException">It cannot be written.</exception>
    public void Write(string text)
    {
        if (path is null)
            return;
        try
        {
            File.WriteAllText(path, text, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new InvalidInputException($"The report cannot be written to {path}: {e.Message.ReplaceLineEndings(" ")}", e);
        }
    }
}
