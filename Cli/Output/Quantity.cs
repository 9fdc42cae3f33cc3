using System.Globalization;

namespace Mellum2.Managed.Cli;

/// <summary>Numbers as people read them, the same in every culture.</summary>
internal static class Quantity
{
    /// <summary>Decimal units: 1.92 GB is 1,920,000,000 bytes.</summary>
    public static string Bytes(double bytes) => bytes switch
    {
        >= 1e9 => Text($"{bytes / 1e9:F2} GB"),
        >= 1e6 => Text($"{bytes / 1e6:F2} MB"),
        >= 1e3 => Text($"{bytes / 1e3:F1} kB"),
        _ => Text($"{bytes:F0} bytes"),
    };

    public static string Count(long count) => count.ToString("N0", CultureInfo.InvariantCulture);

    public static string Text(FormattableString text) => FormattableString.Invariant(text);
}
