using System.Text.Json;

namespace Mellum2.Managed.Model;

/// <summary>Reads the <c>model</c> of a <c>tokenizer.json</c>: vocabulary and merges of a byte-level BPE.</summary>
internal static class BytePairModel
{
    /// <summary>Refuses models other than BPE and settings of BPE that are not implemented.</summary>
    public static void RequireSupported(TokenizerJson model)
    {
        TokenizerJson type = model["type"];
        // Files from before types were written hold vocab and merges.
        string name = type.IsNull && !model["merges"].IsNull ? "BPE" : type.AsString();
        if (name != "BPE")
            throw model.Refuse($"model type {name} is not byte-level BPE, the only model that is implemented");
        TokenizerJson dropout = model["dropout"];
        if (!dropout.IsNull && !(dropout.Element.ValueKind == JsonValueKind.Number && dropout.Element.GetDouble() == 0))
            throw model.Refuse("model.dropout is set, expected null: it is not implemented");
        if (model["byte_fallback"].AsBoolean(false))
            throw model.Refuse("model.byte_fallback is true, expected false: it is not implemented");
        foreach (string affix in (ReadOnlySpan<string>)["continuing_subword_prefix", "end_of_word_suffix"])
        {
            TokenizerJson value = model[affix];
            if (!value.IsNull && value.AsString().Length > 0)
                throw model.Refuse($"model.{affix} is {value.AsString()}, expected none: it is not implemented");
        }
    }

    /// <summary>Reads the vocabulary: content → id.</summary>
    public static Dictionary<string, int> ReadVocabulary(TokenizerJson vocab)
    {
        var ids = new Dictionary<string, int>();
        var owners = new Dictionary<int, string>();
        foreach ((string token, TokenizerJson value) in vocab.Members())
        {
            int id = value.AsId(TokenizerFile.MaxId);
            if (!owners.TryAdd(id, token))
                throw vocab.Refuse($"two vocabulary entries have the same id: {owners[id]} and {token} both have {id}");
            ids.Add(token, id);
        }
        return ids;
    }

    /// <summary>The ids of the 256 byte symbols. A vocabulary without one of them could not encode every text.</summary>
    public static int[] ReadByteIds(TokenizerJson vocab, Dictionary<string, int> ids)
    {
        int[] byteIds = new int[256];
        for (int b = 0; b < 256; b++)
        {
            string symbol = ByteSymbols.SymbolOf((byte)b).ToString();
            if (!ids.TryGetValue(symbol, out byteIds[b]))
                throw vocab.Refuse($"the vocabulary lacks {symbol}, the symbol of byte 0x{b:X2}; byte-level BPE needs all 256");
        }
        return byteIds;
    }

    /// <summary>Reads the merges, <c>["a", "b"]</c> or in the older form <c>"a b"</c>. Of a pair that stands twice the later rank counts.</summary>
    public static MergeTable ReadMerges(TokenizerJson merges, Dictionary<string, int> ids)
    {
        var table = new MergeTable(merges.ArrayLength());
        int rank = 0;
        foreach (TokenizerJson merge in merges.Items())
        {
            string[] parts = merge.Element.ValueKind == JsonValueKind.String
                ? merge.AsString().Split(' ')
                : [.. merge.Items().Select(part => part.AsString())];
            if (parts.Length != 2)
                throw merges.Refuse($"merge {rank} has {parts.Length} parts, expected 2");
            foreach (string part in parts)
            {
                if (!ids.ContainsKey(part))
                    throw merges.Refuse($"merge {rank} names a token ({part}) that is not in the vocabulary");
            }
            if (!ids.TryGetValue(parts[0] + parts[1], out int merged))
                throw merges.Refuse($"merge {rank} builds a token ({parts[0]}{parts[1]}) that is not in the vocabulary");
            table.Add(ids[parts[0]], ids[parts[1]], rank, merged);
            rank++;
        }
        return table;
    }

    /// <summary>The vocabulary's entries that are written in byte symbols, by their bytes.</summary>
    public static ByteStringMap IndexWords(Dictionary<string, int> ids)
    {
        var words = new ByteStringMap(ids.Count);
        foreach ((string token, int id) in ids)
        {
            byte[] bytes = ByteSymbols.BytesOf(token, out bool isSymbols);
            if (isSymbols && bytes.Length > 0)
                words.Add(bytes, id);
        }
        return words;
    }
}
