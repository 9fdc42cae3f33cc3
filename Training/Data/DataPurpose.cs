namespace Mellum2.Managed.Training;

/// <summary>What a random number of the data side is for; numbers for different purposes are independent.</summary>
internal static class DataPurpose
{
    public const uint FimApplies = 0x4441_0000;
    public const uint FimOrder = 0x4441_0001;
    public const uint FimFirstCut = 0x4441_0002;
    public const uint FimSecondCut = 0x4441_0003;
    public const uint SourceKey = 0x4441_0010;
    public const uint Permutation = 0x4441_0020;
    public const uint HeldOut = 0x4441_0030;
    public const uint ValidationOrder = 0x4441_0031;
}
