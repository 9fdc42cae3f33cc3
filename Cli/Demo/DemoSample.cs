using System.Text;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;
using Mellum2.Managed.Training;

namespace Mellum2.Managed.Cli;

/// <summary>What a model makes of the beginning of a text that it was not trained on.</summary>
/// <param name="Prompt">The beginning.</param>
/// <param name="Continuation">What the model wrote.</param>
internal sealed record DemoSample(string Prompt, string Continuation)
{
    private const int PromptBytes = 240;
    private const int Tokens = 96;

    /// <summary>Whole lines out of the middle of a file: of the kind that there are most of, the one of middle length.</summary>
    public static string PromptOf(IReadOnlyList<SourceFile> files)
    {
        SourceFile[] usual = [.. files.GroupBy(file => Path.GetExtension(file.Path)).MaxBy(group => group.Sum(file => file.ByteLength))!.OrderBy(file => file.ByteLength)];
        string text = TextFiles.Read(usual[usual.Length / 2].Path).ReplaceLineEndings("\n");
        int begin = text.IndexOf('\n', text.Length / 3) + 1, end = text.LastIndexOf('\n', Math.Min(begin + PromptBytes, text.Length) - 1) + 1;
        return end > begin ? text[begin..end] : text[..Math.Min(PromptBytes, text.Length)];
    }

    /// <summary>Lets a checkpoint go on with a prompt.</summary>
    public static DemoSample Of(Mellum mellum, string prompt, CancellationToken cancel)
    {
        GenerationOptions options = new() { MaxTokens = Tokens, Sampling = new SamplerOptions { Temperature = 0.6, TopP = 0.95 } };
        return new DemoSample(prompt, mellum.Generate(prompt, options, null, cancel).Text);
    }

    /// <summary>The text, with marks where the prompt ends.</summary>
    public string Show(string title)
    {
        StringBuilder text = new();
        text.Append(title).Append(":\n[held-out text]\n").Append(Prompt);
        if (!Prompt.EndsWith('\n'))
            text.Append('\n');
        return text.Append("[the model goes on]\n").Append(Continuation).Append('\n').ToString();
    }
}
