namespace Mellum2.Managed.Model;

/// <summary>What a layer's attention sees; an entry of <c>layer_types</c>.</summary>
public enum AttentionKind
{
    /// <summary><c>sliding_attention</c>: the last <c>sliding_window</c> keys, the token itself among them.</summary>
    Sliding,

    /// <summary><c>full_attention</c>: every key up to the token itself.</summary>
    Full,
}

/// <summary>What a layer's feed-forward part is; an entry of <c>mlp_layer_types</c>.</summary>
public enum MlpKind
{
    /// <summary><c>sparse</c>: a router and experts.</summary>
    Sparse,

    /// <summary><c>dense</c>: one gated MLP.</summary>
    Dense,
}

/// <summary>The names that config.json has for the kinds of layers.</summary>
internal static class LayerKinds
{
    public const string Sliding = "sliding_attention";
    public const string Full = "full_attention";
    public const string Sparse = "sparse";
    public const string Dense = "dense";

    public static string Name(this AttentionKind kind) => kind == AttentionKind.Sliding ? Sliding : Full;

    public static string Name(this MlpKind kind) => kind == MlpKind.Sparse ? Sparse : Dense;

    public static AttentionKind[]? ReadAttention(JsonFields fields, string name, int length) =>
        Read<AttentionKind>(fields, name, length, text => text switch { Sliding => AttentionKind.Sliding, Full => AttentionKind.Full, _ => null }, $"{Sliding} or {Full}");

    public static MlpKind[]? ReadMlp(JsonFields fields, string name, int length) =>
        Read<MlpKind>(fields, name, length, text => text switch { Sparse => MlpKind.Sparse, Dense => MlpKind.Dense, _ => null }, $"{Sparse} or {Dense}");

    private static T[]? Read<T>(JsonFields fields, string name, int length, Func<string, T?> parse, string expected) where T : struct
    {
        if (fields.OptionalTexts(name, ModelConfiguration.MaximumLayers) is not { } texts)
            return null;
        if (texts.Length != length)
            throw new Engine.InvalidInputException($"{fields.Where} has {texts.Length} entries in {name}, but {length} layers are expected.");
        T[] kinds = new T[length];
        for (int i = 0; i < length; i++)
            kinds[i] = parse(texts[i]) ?? throw new Engine.InvalidInputException(
                $"{fields.Where} has \"{texts[i]}\" as entry {i} of {name}, but {expected} is expected.");
        return kinds;
    }
}
