using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>The rotary embedding of one kind of attention, an entry of <c>rope_parameters</c>.</summary>
/// <param name="Theta">The base <c>rope_theta</c>.</param>
/// <param name="Yarn">The extension of the context by YaRN; null for plain embeddings (<c>rope_type</c> default).</param>
public sealed record RopeConfiguration(double Theta, YarnConfiguration? Yarn = null)
{
    private const double MaximumTheta = 1e15;

    /// <summary>The frequencies for heads of <paramref name="headSize"/> elements.</summary>
    public RopeParameters ToParameters(int headSize) => Yarn is null
        ? RopeParameters.Plain(headSize, Theta)
        : RopeParameters.Yarn(headSize, Theta, Yarn.Factor, Yarn.OriginalLength, Yarn.BetaFast, Yarn.BetaSlow, Yarn.AttentionFactor);

    /// <summary>
    /// Reads <c>rope_parameters</c>: one object per kind of attention; or an older form, one object (or
    /// <c>rope_theta</c> and <c>rope_scaling</c>) for all, where that is not ambiguous.
    /// </summary>
    /// <param name="fields">config.json.</param>
    /// <param name="kinds">The kinds of attention that the model has.</param>
    internal static (RopeConfiguration? Sliding, RopeConfiguration? Full) Read(JsonFields fields, IReadOnlyCollection<AttentionKind> kinds)
    {
        double? flatTheta = fields.OptionalNumber("rope_theta", 1, MaximumTheta);
        JsonFields? scaling = fields.OptionalObject("rope_scaling");
        RopeConfiguration? sliding = null, full = null;
        if (fields.Element("rope_parameters") is not { } element)
        {
            sliding = full = (flatTheta, scaling) switch
            {
                (null, _) => throw fields.Missing("rope_parameters"),
                ({ } theta, null) => new RopeConfiguration(theta),
                ({ } theta, { } object_) => ReadOne(object_, theta),
            };
        }
        else
        {
            if (scaling is not null)
                throw new InvalidInputException($"{fields.Where} has both rope_parameters and the older rope_scaling.");
            JsonFields nested = new(element, $"{fields.Where}, rope_parameters");
            bool isFlat = IsFlat(element, nested.Where);
            if (isFlat)
                sliding = full = ReadOne(nested, flatTheta);
            else
            {
                sliding = nested.OptionalObject(LayerKinds.Sliding) is { } slidingFields ? ReadOne(slidingFields, null) : null;
                full = nested.OptionalObject(LayerKinds.Full) is { } fullFields ? ReadOne(fullFields, null) : null;
                nested.RefuseUnknown();
                foreach (AttentionKind kind in kinds)
                    if ((kind == AttentionKind.Sliding ? sliding : full) is null)
                        throw nested.Missing(kind.Name());
            }
            foreach (RopeConfiguration? rope in (RopeConfiguration?[])[sliding, full])
                if (flatTheta is not null && rope is not null && rope.Theta != flatTheta)
                    throw new InvalidInputException($"{fields.Where} has rope_theta = {flatTheta} but {rope.Theta} in rope_parameters.");
            if (!isFlat)
                return (sliding, full);
        }
        // One YaRN for all: the released models stretch full attention only, so a single entry does not say which is meant.
        if (sliding?.Yarn is not null && kinds.Contains(AttentionKind.Sliding) && kinds.Contains(AttentionKind.Full))
            throw new InvalidInputException(
                $"{fields.Where} has one YaRN for both kinds of attention; rope_parameters with an entry for {LayerKinds.Sliding} and one for {LayerKinds.Full} is expected.");
        return (sliding, full);
    }

    private static bool IsFlat(JsonElement element, string where)
    {
        foreach (JsonProperty property in element.EnumerateObject())
            if (StrictJson.Name(property, where) is LayerKinds.Sliding or LayerKinds.Full)
                return false;
        return true;
    }

    private static RopeConfiguration ReadOne(JsonFields fields, double? outerTheta)
    {
        string type = fields.OptionalText("rope_type") ?? fields.OptionalText("type") ?? throw fields.Missing("rope_type");
        if (fields.OptionalText("type") is { } alias && alias != type)
            throw new InvalidInputException($"{fields.Where} has rope_type = \"{type}\" but type = \"{alias}\".");
        double theta = fields.OptionalNumber("rope_theta", 1, MaximumTheta) ?? outerTheta ?? throw fields.Missing("rope_theta");
        if (fields.OptionalNumber("partial_rotary_factor", 0, 1) is < 1)
            throw fields.Wrong("partial_rotary_factor", "1, because whole heads are rotated here,");
        RopeConfiguration rope = type switch
        {
            "default" => new RopeConfiguration(theta),
            "yarn" => new RopeConfiguration(theta, YarnConfiguration.Read(fields)),
            _ => throw new InvalidInputException($"{fields.Where} has rope_type = \"{type}\", but default or yarn is expected."),
        };
        fields.RefuseUnknown();
        return rope;
    }
}

/// <summary>YaRN (Peng et al., arXiv 2309.00071), as <c>rope_parameters</c> has it.</summary>
/// <param name="Factor">How much longer than the original context, <c>factor</c> ≥ 1.</param>
/// <param name="OriginalLength">The context before extension, <c>original_max_position_embeddings</c>.</param>
/// <param name="BetaFast">Turns above which a frequency stays, <c>beta_fast</c>; YaRN's own default is 32.</param>
/// <param name="BetaSlow">Turns below which a frequency is interpolated fully, <c>beta_slow</c>; YaRN's own default is 1.</param>
/// <param name="AttentionFactor">The factor of cos and sin, <c>attention_factor</c>; null means 0.1·ln(factor) + 1.</param>
public sealed record YarnConfiguration(double Factor, int OriginalLength, double BetaFast, double BetaSlow, double? AttentionFactor)
{
    internal static YarnConfiguration Read(JsonFields fields)
    {
        double factor = fields.Number("factor", 0, 1e6);
        if (factor < 1)
            throw fields.Wrong("factor", "at least 1");
        double length = fields.Number("original_max_position_embeddings", 0, int.MaxValue);
        if (length != Math.Floor(length))
            throw fields.Wrong("original_max_position_embeddings", "a whole number");
        double fast = fields.OptionalNumber("beta_fast", 0, 1e6) ?? 32;
        double slow = fields.OptionalNumber("beta_slow", 0, 1e6) ?? 1;
        if (slow > fast)
            throw fields.Wrong("beta_slow", FormattableString.Invariant($"at most beta_fast = {fast}"));
        if (fields.OptionalBool("truncate") == false)
            throw fields.Wrong("truncate", "true, because the correction range is whole dimensions here,");
        return new YarnConfiguration(factor, (int)length, fast, slow, fields.OptionalNumber("attention_factor", 0, 1e6));
    }
}
