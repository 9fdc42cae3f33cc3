using System.Globalization;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// Another layout of the MTP head (DeepSeek-V3, arXiv 2412.19437): it stands as one more layer L behind the trunk's,
/// <c>model.layers.{L}.</c>, with <c>enorm</c>, <c>hnorm</c>, <c>eh_proj</c> and <c>shared_head.norm</c> in it.
/// </summary>
internal static class MtpNames
{
    private const string LayersPrefix = "model.layers.";

    private static readonly (string Theirs, string Ours)[] s_modules =
    [
        ("enorm.", "mtp.pre_fc_norm_embedding."),
        ("hnorm.", "mtp.pre_fc_norm_hidden."),
        ("eh_proj.", "mtp.fc."),
        ("shared_head.norm.", "mtp.norm."),
    ];

    /// <summary>The layer that is an MTP head in that layout; null if no name is of that layout.</summary>
    /// <exception cref="InvalidInputException">There are several.</exception>
    public static int? FindLayer(IEnumerable<string> names, string where)
    {
        int? found = null;
        foreach (string name in names)
        {
            if (!TrySplit(name, out int layer, out string module) || !s_modules.Any(pair => module.StartsWith(pair.Theirs, StringComparison.Ordinal)))
                continue;
            if (found is { } other && other != layer)
                throw new InvalidInputException($"{where} has MTP tensors in layers {other} and {layer}, but one MTP layer is expected.");
            found = layer;
        }
        return found;
    }

    /// <summary>This engine's name for a tensor, given the layer that is an MTP head.</summary>
    public static string Translate(string name, int mtpLayer)
    {
        if (!TrySplit(name, out int layer, out string module) || layer != mtpLayer)
            return name;
        foreach ((string theirs, string ours) in s_modules)
            if (module.StartsWith(theirs, StringComparison.Ordinal))
                return ours + module[theirs.Length..];
        return ModelConfiguration.MtpLayerPrefix + module;
    }

    private static bool TrySplit(string name, out int layer, out string module)
    {
        (layer, module) = (0, "");
        if (!name.StartsWith(LayersPrefix, StringComparison.Ordinal))
            return false;
        int dot = name.IndexOf('.', LayersPrefix.Length);
        if (dot < 0 || !int.TryParse(name.AsSpan(LayersPrefix.Length, dot - LayersPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out layer))
            return false;
        module = name[(dot + 1)..];
        return true;
    }
}
