namespace Mellum2.Managed.Engine;

/// <summary>The number formats that a <see cref="Tensor"/> can hold.</summary>
public enum DType : byte
{
    /// <summary>IEEE 754 binary64; the format of the reference kernels.</summary>
    F64,

    /// <summary>IEEE 754 binary32; activations and F32 weights.</summary>
    F32,

    /// <summary>bfloat16: the upper half of binary32.</summary>
    BF16,

    /// <summary>IEEE 754 binary16.</summary>
    F16,

    /// <summary>8-bit float 1-4-3, bias 7, no infinities, maximum 448.</summary>
    F8E4M3,

    /// <summary>8-bit float 1-5-2, bias 15, IEEE-like, maximum 57,344.</summary>
    F8E5M2,

    /// <summary>Signed 64-bit integers.</summary>
    I64,

    /// <summary>Signed 32-bit integers; token ids, expert choices, offsets.</summary>
    I32,

    /// <summary>Unsigned 32-bit integers.</summary>
    U32,

    /// <summary>Unsigned 16-bit integers.</summary>
    U16,

    /// <summary>Bytes.</summary>
    U8,
}

/// <summary>Facts about the formats of <see cref="DType"/>.</summary>
public static class DTypes
{
    private static readonly (DType Type, int Size, string Name)[] s_table =
    [
        (DType.F64, 8, "F64"),
        (DType.F32, 4, "F32"),
        (DType.BF16, 2, "BF16"),
        (DType.F16, 2, "F16"),
        (DType.F8E4M3, 1, "F8_E4M3"),
        (DType.F8E5M2, 1, "F8_E5M2"),
        (DType.I64, 8, "I64"),
        (DType.I32, 4, "I32"),
        (DType.U32, 4, "U32"),
        (DType.U16, 2, "U16"),
        (DType.U8, 1, "U8"),
    ];

    /// <summary>The bytes of one element.</summary>
    public static int Size(this DType type) => s_table[(int)type].Size;

    /// <summary>The name that safetensors files use, <c>F8_E4M3</c> for example.</summary>
    public static string Name(this DType type) => s_table[(int)type].Name;

    /// <summary>Finds the format that safetensors calls <paramref name="name"/>.</summary>
    /// <returns>Whether this engine has it.</returns>
    public static bool TryParse(ReadOnlySpan<char> name, out DType type)
    {
        foreach (var (candidate, _, candidateName) in s_table)
        {
            if (name.SequenceEqual(candidateName))
            {
                type = candidate;
                return true;
            }
        }
        type = default;
        return false;
    }
}
