namespace Mellum2.Managed.Model;

/// <summary>What a random number is for: the third part of its key. The second is the position of the token.</summary>
internal static class RandomPurpose
{
    public const uint Sample = 0;
    public const uint Draft = 1;
    public const uint Accept = 2;
    public const uint Weights = 3;
}
