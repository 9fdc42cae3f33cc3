using System.Text.Encodings.Web;
using System.Text.Json;

namespace Mellum2.Managed.Training;

/// <summary>Writes byte pairs as a Hugging Face <c>tokenizer.json</c> with Mellum's pre-tokenizer: single digits, then GPT-2's regex.</summary>
internal static class TokenizerJsonWriter
{
    public static byte[] Write(BytePairs pairs, IReadOnlyList<SpecialToken> special)
    {
        using MemoryStream stream = new();
        JsonWriterOptions options = new() { Indented = true, IndentSize = 1, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
        using (Utf8JsonWriter json = new(stream, options))
        {
            json.WriteStartObject();
            json.WriteString("version", "1.0");
            json.WriteNull("truncation");
            json.WriteNull("padding");
            json.WriteStartArray("added_tokens");
            for (int id = 0; id < special.Count; id++)
                WriteAdded(json, id, special[id]);
            json.WriteEndArray();
            json.WriteNull("normalizer");
            WritePreTokenizer(json);
            json.WriteNull("post_processor");
            json.WritePropertyName("decoder");
            WriteByteLevel(json, addPrefixSpace: true);
            WriteModel(json, pairs);
            json.WriteEndObject();
        }
        return stream.ToArray();
    }

    private static void WriteAdded(Utf8JsonWriter json, int id, SpecialToken token)
    {
        json.WriteStartObject();
        json.WriteNumber("id", id);
        json.WriteString("content", token.Content);
        json.WriteBoolean("single_word", false);
        json.WriteBoolean("lstrip", false);
        json.WriteBoolean("rstrip", false);
        json.WriteBoolean("normalized", false);
        json.WriteBoolean("special", token.IsControl);
        json.WriteEndObject();
    }

    private static void WritePreTokenizer(Utf8JsonWriter json)
    {
        json.WriteStartObject("pre_tokenizer");
        json.WriteString("type", "Sequence");
        json.WriteStartArray("pretokenizers");
        json.WriteStartObject();
        json.WriteString("type", "Digits");
        json.WriteBoolean("individual_digits", true);
        json.WriteEndObject();
        WriteByteLevel(json, addPrefixSpace: false);
        json.WriteEndArray();
        json.WriteEndObject();
    }

    private static void WriteByteLevel(Utf8JsonWriter json, bool addPrefixSpace)
    {
        json.WriteStartObject();
        json.WriteString("type", "ByteLevel");
        json.WriteBoolean("add_prefix_space", addPrefixSpace);
        json.WriteBoolean("trim_offsets", true);
        json.WriteBoolean("use_regex", true);
        json.WriteEndObject();
    }

    private static void WriteModel(Utf8JsonWriter json, BytePairs pairs)
    {
        json.WriteStartObject("model");
        json.WriteString("type", "BPE");
        foreach (string none in (ReadOnlySpan<string>)["dropout", "unk_token", "continuing_subword_prefix", "end_of_word_suffix"])
            json.WriteNull(none);
        foreach (string off in (ReadOnlySpan<string>)["fuse_unk", "byte_fallback", "ignore_merges"])
            json.WriteBoolean(off, false);
        json.WriteStartObject("vocab");
        for (int id = 0; id < pairs.Pieces.Count; id++)
            json.WriteNumber(pairs.Pieces[id], id);
        json.WriteEndObject();
        json.WriteStartArray("merges");
        foreach ((int left, int right) in pairs.Merges)
        {
            json.WriteStartArray();
            json.WriteStringValue(pairs.Pieces[left]);
            json.WriteStringValue(pairs.Pieces[right]);
            json.WriteEndArray();
        }
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
