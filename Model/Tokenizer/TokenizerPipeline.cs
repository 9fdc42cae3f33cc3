namespace Mellum2.Managed.Model;

/// <summary>Reads the components around the model of a <c>tokenizer.json</c>: normalizer, pre-tokenizer, post-processor, decoder.</summary>
internal static class TokenizerPipeline
{
    // Stages nest when they run; real files have two or three.
    private const int MaxStages = 16;

    /// <summary>Reads the normalizer: none, <c>NFC</c>, or a <c>Sequence</c> of these.</summary>
    /// <returns>Whether text is brought to form C.</returns>
    public static bool ReadNormalizer(TokenizerJson normalizer)
    {
        bool useNfc = false;
        foreach (TokenizerJson part in Flatten(normalizer, "normalizers"))
        {
            string type = part["type"].AsString();
            if (type != "NFC")
                throw part.Refuse($"normalizer type {type} is unknown, expected NFC");
            useNfc = true;
        }
        if (useNfc && !NfcNormalizer.IsAvailable)
        {
            throw normalizer.Refuse(
                "normalizer NFC needs the runtime's Unicode normalization, which its globalization-invariant mode leaves out");
        }
        return useNfc;
    }

    /// <summary>Reads the pre-tokenizer: <c>Digits</c> and <c>Split</c> stages, then <c>ByteLevel</c>.</summary>
    public static PreTokenizer ReadPreTokenizer(TokenizerJson preTokenizer)
    {
        var stages = new List<Splitter>();
        TokenizerJson? byteLevel = null;
        foreach (TokenizerJson part in Flatten(preTokenizer, "pretokenizers"))
        {
            string type = part["type"].AsString();
            if (byteLevel is not null)
                throw part.Refuse($"pre-tokenizer type {type} stands after ByteLevel, expected ByteLevel to be the last");
            switch (type)
            {
                case "Digits":
                    stages.Add(new DigitsSplitter(part["individual_digits"].AsBoolean(false)));
                    break;
                case "Split":
                    stages.Add(ReadSplit(part));
                    break;
                case "ByteLevel":
                    byteLevel = part;
                    break;
                default:
                    throw part.Refuse($"pre-tokenizer type {type} is unknown, expected Digits, Split, ByteLevel or Sequence");
            }
        }
        if (byteLevel is not { } last)
            throw preTokenizer.Refuse("pre_tokenizer has no ByteLevel, expected one at its end");
        if (stages.Count > MaxStages)
            throw preTokenizer.Refuse($"pre_tokenizer has {stages.Count} stages, expected at most {MaxStages}");
        return new PreTokenizer(stages, last["add_prefix_space"].AsBoolean(true), last["use_regex"].AsBoolean(true));
    }

    /// <summary>Reads the post-processor: <c>ByteLevel</c> (which changes no ids), <c>TemplateProcessing</c>, a <c>Sequence</c> of them.</summary>
    /// <returns>The ids before and after a single text.</returns>
    public static (int[] Prefix, int[] Suffix) ReadPostProcessor(TokenizerJson postProcessor)
    {
        int[] prefix = [], suffix = [];
        foreach (TokenizerJson part in Flatten(postProcessor, "processors"))
        {
            string type = part["type"].AsString();
            switch (type)
            {
                case "ByteLevel":
                    break;
                case "TemplateProcessing":
                    (int[] before, int[] after) = ReadTemplate(part);
                    prefix = [.. before, .. prefix];
                    suffix = [.. suffix, .. after];
                    break;
                default:
                    throw part.Refuse(
                        $"post-processor type {type} is unknown, expected ByteLevel, TemplateProcessing or Sequence");
            }
        }
        return (prefix, suffix);
    }

    /// <summary>Refuses a decoder other than <c>ByteLevel</c>.</summary>
    public static void RequireByteLevelDecoder(TokenizerJson decoder)
    {
        string type = decoder.IsNull ? "null" : decoder["type"].AsString();
        if (type != "ByteLevel")
            throw decoder.Refuse($"decoder type {type} is unknown, expected ByteLevel");
    }

    private static Splitter ReadSplit(TokenizerJson split)
    {
        string behavior = split["behavior"].AsString();
        if (behavior != "Isolated")
            throw split.Refuse($"Split with behavior {behavior} is not implemented, expected Isolated");
        if (split["invert"].AsBoolean(false))
            throw split.Refuse("Split with invert true is not implemented, expected false");
        TokenizerJson regex = split["pattern"]["Regex"];
        if (regex.IsNull)
            throw split.Refuse("Split with a pattern that is no Regex is not implemented");
        string pattern = regex.AsString();
        return pattern switch
        {
            Gpt2Splitter.Pattern => new Gpt2Splitter(isolateDigits: false),
            QwenSplitter.QwenPattern => new QwenSplitter(maxDigits: 1),
            QwenSplitter.Llama3Pattern => new QwenSplitter(maxDigits: 3),
            _ => throw split.Refuse(
                $"Split with the regex {pattern} is not implemented, expected that of GPT-2, Qwen 2 or Llama 3"),
        };
    }

    private static (int[] Before, int[] After) ReadTemplate(TokenizerJson template)
    {
        var before = new List<int>();
        var after = new List<int>();
        bool isAfter = false;
        foreach (TokenizerJson item in template["single"].Items())
        {
            TokenizerJson special = item["SpecialToken"], sequence = item["Sequence"];
            if (!special.IsNull)
            {
                string name = special["id"].AsString();
                TokenizerJson token = template["special_tokens"][name];
                if (token.IsNull)
                    throw item.Refuse($"{item.Path} names {name}, which {template.Path}.special_tokens lacks");
                (isAfter ? after : before).AddRange(token["ids"].Items().Select(id => id.AsId(TokenizerFile.MaxId)));
                continue;
            }
            if (sequence.IsNull || isAfter || sequence["id"].AsString() != "A")
                throw item.Refuse($"{item.Path} is not implemented, expected a SpecialToken or the one Sequence A");
            isAfter = true;
        }
        if (!isAfter)
            throw template.Refuse($"{template.Path}.single lacks Sequence A");
        return ([.. before], [.. after]);
    }

    /// <summary>The components of a <c>Sequence</c>, nested ones too, in order; a single component is itself; null has none.</summary>
    private static IEnumerable<TokenizerJson> Flatten(TokenizerJson component, string listName)
    {
        if (component.IsNull)
            return [];
        if (component["type"].AsString() != "Sequence")
            return [component];
        return component[listName].Items().SelectMany(part => Flatten(part, listName));
    }
}
