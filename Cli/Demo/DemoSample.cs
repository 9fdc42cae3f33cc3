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
    private const int PromptTokens = 64;
    private const int Tokens = 96;

    /// <summary>Whole lines out of the middle of the longest document.</summary>
    public static string PromptOf(Tokenizer tokenizer, string documents)
    {
        using TokenDataset set = TokenDataset.Open(documents);
        long longest = 0;
        for (long item = 1; item < set.Count; item++)
            if (set.LengthOf(item) > set.LengthOf(longest))
                longest = item;
        int[] ids = set.Read(longest);
        int first = ids.Length / 3;
        string text = tokenizer.Decode(ids.AsSpan(first, Math.Min(PromptTokens, ids.Length - first)), skipSpecial: true);
        int begin = text.IndexOf('\n', StringComparison.Ordinal) + 1, end = text.LastIndexOf('\n') + 1;
        return begin > 0 && end > begin ? text[begin..end] : text;
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
