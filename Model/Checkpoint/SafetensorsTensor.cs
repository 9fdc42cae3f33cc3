using System.Globalization;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>One tensor of a safetensors file, as its header describes it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Format">The name of its number format in the file, <c>BF16</c> for example.</param>
/// <param name="Dimensions">Its lengths; none for a scalar.</param>
/// <param name="Offset">Where its bytes begin in the file.</param>
/// <param name="ByteLength">How many bytes it has.</param>
public sealed record SafetensorsTensor(string Name, string Format, IReadOnlyList<long> Dimensions, long Offset, long ByteLength)
{
    /// <summary>The number of elements.</summary>
    public long Count
    {
        get
        {
            long count = 1;
            foreach (long dimension in Dimensions)
                count *= dimension;
            return count;
        }
    }

    /// <summary>Whether the lengths are these.</summary>
    public bool HasShape(Shape shape)
    {
        if (Dimensions.Count != shape.Rank)
            return false;
        for (int i = 0; i < shape.Rank; i++)
            if (Dimensions[i] != shape[i])
                return false;
        return true;
    }

    /// <summary>The lengths as text, <c>[98304, 2304]</c> for example.</summary>
    public string ShapeText => $"[{string.Join(", ", Dimensions.Select(d => d.ToString(CultureInfo.InvariantCulture)))}]";
}

/// <summary>The number formats that the safetensors format defines, and how many bits an element of each has.</summary>
internal static class SafetensorsFormats
{
    /// <summary>The bits of an element; 0 if there is no such format.</summary>
    public static int Bits(string format) => format switch
    {
        "F4" => 4,
        "F6_E2M3" or "F6_E3M2" => 6,
        "BOOL" or "U8" or "I8" or "F8_E4M3" or "F8_E5M2" or "F8_E8M0" or "F8_E4M3FNUZ" or "F8_E5M2FNUZ" => 8,
        "U16" or "I16" or "F16" or "BF16" => 16,
        "U32" or "I32" or "F32" => 32,
        "U64" or "I64" or "F64" or "C64" => 64,
        _ => 0,
    };
}
