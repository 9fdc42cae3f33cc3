using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Training;

/// <summary>Where a stream of samples is: enough to go on exactly there. Small, whatever the size of the data.</summary>
/// <param name="Fingerprint">Tells streams apart: over sources, plan and seed.</param>
/// <param name="Drawn">How many samples each source has given, in all phases.</param>
/// <param name="DrawnInPhase">How many samples each source has given in the phase that the last sample belongs to.</param>
public sealed record StreamState(ulong Fingerprint, IReadOnlyList<long> Drawn, IReadOnlyList<long> DrawnInPhase)
{
    /// <summary>How many samples have been given.</summary>
    public long Position => Drawn.Sum();

    /// <summary>The state as a line of JSON.</summary>
    public string ToJson() => JsonSerializer.Serialize(this);

    /// <summary>Reads a state.</summary>
    /// <param name="json">What <see cref="ToJson"/> gave.</param>
    /// <exception cref="InvalidInputException">It is something else.</exception>
    public static StreamState FromJson(string json)
    {
        try
        {
            if (JsonSerializer.Deserialize<StreamState>(json) is { Drawn: not null, DrawnInPhase: not null } state)
                return state;
        }
        catch (JsonException)
        {
            // Said below, for other JSON too.
        }
        throw new InvalidInputException("The state of a stream of samples is damaged: an object with Fingerprint, Drawn and DrawnInPhase is expected.");
    }
}
