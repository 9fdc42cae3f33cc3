using System.Text;
using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// Reads a Hugging Face <c>tokenizer.json</c> that holds a byte-level BPE tokenizer. A component that is not implemented is
/// refused by its name.
/// </summary>
internal static class TokenizerFile
{
    /// <summary>The highest id that is accepted: tables are sized by it, and the largest vocabularies in use have 2^18 entries.</summary>
    public const int MaxId = (1 << 21) - 1;

    private const int MaxDepth = 32;

    /// <summary>Reads a file.</summary>
    /// <param name="json">Its content.</param>
    /// <param name="name">Its name, for messages.</param>
    /// <exception cref="InvalidInputException">The file is malformed or asks for something that is not implemented.</exception>
    public static TokenizerParts Read(ReadOnlyMemory<byte> json, string name)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(
                json, new JsonDocumentOptions { AllowDuplicateProperties = false, MaxDepth = MaxDepth });
            return Read(new TokenizerJson(document.RootElement, name, ""));
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{name}: {Explain(json.Span, e)}.", e);
        }
        catch (InvalidOperationException e)
        {
            // How the JSON reader reports a string that is no valid Unicode, such as half a surrogate pair.
            throw new InvalidInputException($"{name}: a string in the JSON is not valid Unicode.", e);
        }
    }

    private static TokenizerParts Read(TokenizerJson root)
    {
        foreach (string setting in (ReadOnlySpan<string>)["truncation", "padding"])
        {
            if (!root[setting].IsNull)
                throw root.Refuse($"{setting} is set, expected null: it is not implemented");
        }
        TokenizerJson model = root["model"];
        BytePairModel.RequireSupported(model);
        bool useNfc = TokenizerPipeline.ReadNormalizer(root["normalizer"]);
        PreTokenizer preTokenizer = TokenizerPipeline.ReadPreTokenizer(root["pre_tokenizer"]);
        TokenizerPipeline.RequireByteLevelDecoder(root["decoder"]);

        Dictionary<string, int> ids = BytePairModel.ReadVocabulary(model["vocab"]);
        int[] byteIds = BytePairModel.ReadByteIds(model["vocab"], ids);
        MergeTable merges = BytePairModel.ReadMerges(model["merges"], ids);
        ByteStringMap? wholeWords = model["ignore_merges"].AsBoolean(false) ? BytePairModel.IndexWords(ids) : null;
        List<AddedToken> added = ReadAddedTokens(root["added_tokens"], ids);
        (int[] prefix, int[] suffix) = TokenizerPipeline.ReadPostProcessor(root["post_processor"]);

        int size = ids.Count == 0 ? 0 : ids.Values.Max() + 1;
        var vocabulary = new Vocabulary(ids, size, [.. added.Where(t => t.Special).Select(t => t.Id).Order()]);
        foreach (int id in prefix.Concat(suffix))
        {
            if (vocabulary.Piece(id) is null)
                throw root.Refuse($"post_processor adds the id {id}, which no token has");
        }
        return new TokenizerParts
        {
            Vocabulary = vocabulary,
            Merges = merges,
            ByteIds = byteIds,
            WholeWords = wholeWords,
            PreTokenizer = preTokenizer,
            UseNfc = useNfc,
            RawTokens = new AddedTokenMatcher(added.Where(t => !t.Normalized), t => t.Content),
            NormalizedTokens = new AddedTokenMatcher(
                added.Where(t => t.Normalized), t => useNfc ? NfcNormalizer.Normalize(t.Content) : t.Content),
            Prefix = prefix,
            Suffix = suffix,
        };
    }

    /// <summary>Reads the added tokens and enters those that the model's vocabulary lacks into <paramref name="ids"/>.</summary>
    private static List<AddedToken> ReadAddedTokens(TokenizerJson tokens, Dictionary<string, int> ids)
    {
        var added = new List<AddedToken>();
        if (tokens.IsNull)
            return added;
        var contents = new HashSet<string>();
        var owners = new Dictionary<int, string>(ids.Count);
        foreach ((string token, int id) in ids)
            owners.Add(id, token);
        foreach (TokenizerJson entry in tokens.Items())
        {
            var token = new AddedToken(entry["id"].AsId(MaxId), entry["content"].AsString())
            {
                Special = entry["special"].AsBoolean(false),
                SingleWord = entry["single_word"].AsBoolean(false),
                LeftStrip = entry["lstrip"].AsBoolean(false),
                RightStrip = entry["rstrip"].AsBoolean(false),
                Normalized = entry["normalized"].AsBoolean(true),
            };
            if (token.Content.Length == 0)
                throw entry.Refuse($"{entry.Path} has an empty content");
            if (!contents.Add(token.Content))
                throw entry.Refuse($"{entry.Path} has the content {token.Content}, which an added token before it has");
            if (ids.TryGetValue(token.Content, out int known) && known != token.Id)
            {
                throw entry.Refuse(
                    $"{entry.Path} gives {token.Content} the id {token.Id}, but the vocabulary gives it the id {known}");
            }
            if (owners.TryGetValue(token.Id, out string? owner) && owner != token.Content)
                throw entry.Refuse($"{entry.Path} gives {token.Content} the id {token.Id}, which {owner} has");
            owners[token.Id] = token.Content;
            ids[token.Content] = token.Id;
            added.Add(token);
        }
        return added;
    }

    /// <summary>Says what is wrong with JSON that cannot be parsed: where it ends too early, or the parser's words.</summary>
    private static string Explain(ReadOnlySpan<byte> json, JsonException error)
    {
        // As a block that is not the last, text that merely ends too early is no error: reading stops at its end.
        var reader = new Utf8JsonReader(json, isFinalBlock: false, new JsonReaderState(new JsonReaderOptions { MaxDepth = MaxDepth }));
        string section = "", member = "";
        try
        {
            bool isComplete = false;
            while (!isComplete && reader.Read())
            {
                if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 1)
                    (section, member) = (reader.GetString()!, "");
                else if (reader.TokenType == JsonTokenType.PropertyName && reader.CurrentDepth == 2)
                    member = reader.GetString()!;
                isComplete = reader.CurrentDepth == 0 && reader.TokenType is JsonTokenType.EndObject or JsonTokenType.EndArray;
            }
            if (!isComplete)
            {
                return (section, member) switch
                {
                    ("", _) => "the JSON ends before anything was read",
                    ("model", "vocab") => "the JSON ends in the middle of the vocabulary",
                    ("model", "merges") => "the JSON ends in the middle of the merges",
                    ("added_tokens", _) => "the JSON ends in the middle of the added tokens",
                    _ => $"the JSON ends in the middle of {section}",
                };
            }
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // Malformed and not merely cut off: the parser's own message says where.
        }
        return $"it is not valid JSON ({OneLine(error.Message)})";
    }

    private static string OneLine(string message)
    {
        var line = new StringBuilder(message.Length);
        foreach (char c in message.TrimEnd('.'))
            line.Append(char.IsControl(c) ? ' ' : c);
        return line.ToString();
    }
}
