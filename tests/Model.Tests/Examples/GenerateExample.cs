using System.Text;

namespace Mellum2.Managed.Model.Tests.Examples;

internal static class GenerateExample
{
    public static string Run(string folder)
    {
        // <example name="generate">
        using Mellum mellum = Mellum.Load(folder);
        GenerationOptions options = new() { MaxTokens = 24, Speculation = new(DraftKind.Mtp, 3) };
        var (text, result) = mellum.Generate("public static int Add(int a, int b)\n{\n    return ", options);
        string report = $"{text}\n{result.Tokens.Count} tokens, {result.Speculation.TokensPerPass:F2} per pass of the trunk";
        // </example>
        return report;
    }

    public static string Stream(string folder)
    {
        StringBuilder output = new();
        // <example name="stream">
        using Mellum mellum = Mellum.Load(folder);
        GenerationOptions options = new()
        {
            MaxTokens = 40,
            Sampling = new() { Temperature = 0.6, TopP = 0.95, TopK = 20 },
            Seed = 7,
            StopStrings = ["\n\n"],
        };
        mellum.Generate("/// <summary>\n/// Gets the ", options, utf8 => output.Append(Encoding.UTF8.GetString(utf8)));
        // </example>
        return output.ToString();
    }
}
