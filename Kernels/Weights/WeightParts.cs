using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>What every back end asks of row-major matrices before it stacks and reorders them.</summary>
internal static unsafe class WeightParts
{
    /// <summary>Checks that <paramref name="parts"/> can be stacked and multiplied by, and counts their rows.</summary>
    public static int Check(ReadOnlySpan<WeightMatrix> parts)
    {
        if (parts.IsEmpty)
            throw new ArgumentException("There is no matrix to prepare.", nameof(parts));
        WeightMatrix first = parts[0];
        int rows = 0;
        foreach (WeightMatrix part in parts)
        {
            if (part.Layout != WeightLayout.RowMajor)
                throw new ArgumentException($"{part.Name} has been prepared already.", nameof(parts));
            if (part.Format is not (DType.F32 or DType.BF16 or DType.F16 or DType.F8E4M3))
                throw new InvalidInputException($"{part.Name} has weights of format {part.Format.Name()}; the kernels multiply by F32, BF16, F16 and F8_E4M3.");
            if (part.Format != first.Format || part.Columns != first.Columns)
                throw new InvalidInputException($"{part.Name} [{part.Rows}, {part.Columns}] of {part.Format.Name()} cannot be stacked on {first.Name} [{first.Rows}, {first.Columns}] of {first.Format.Name()}: columns and format must be the same.");
            if (part.Scales is not null && part.Format != DType.F8E4M3)
                throw new InvalidInputException($"{part.Name} has scales beside weights of {part.Format.Name()}; only F8_E4M3 weights have scales.");
            rows = checked(rows + part.Rows);
        }
        return rows;
    }

    /// <summary>Which weights of the stacked matrix share a factor: those of a block of columns, or those of a row.</summary>
    public static ScaleKind ScaleKind(ReadOnlySpan<WeightMatrix> parts)
    {
        foreach (WeightMatrix part in parts)
            if (part.Scales?.Kind == Kernels.ScaleKind.Block)
                return Kernels.ScaleKind.Block;
        return Kernels.ScaleKind.Row;
    }

    /// <summary>The factor of a row in a block of columns; 1 where the matrix has none.</summary>
    public static float Scale(WeightMatrix part, int row, int block)
    {
        int column = Math.Min(block * WeightScales.BlockSize, part.Columns - 1);
        float factor = part.Scales?.At(row, Math.Max(column, 0)) ?? 1;
        return float.IsFinite(factor)
            ? factor
            : throw new InvalidInputException($"The scale of {part.Name} at row {row}, column {column} is {factor}; scales must be finite.");
    }

    /// <summary>
    /// Refuses weights of a row that are not finite, where decoding by shifts would read their exponent as one more binade.
    /// </summary>
    public static void CheckFinite(WeightMatrix part, int row, byte* weights)
    {
        int bad = part.Format switch
        {
            DType.F16 => IndexOfMaximum((ushort*)weights, part.Columns),
            DType.F8E4M3 => new ReadOnlySpan<byte>(weights, part.Columns).IndexOfAny((byte)0x7F, (byte)0xFF),
            _ => -1,
        };
        if (bad >= 0)
            throw new InvalidInputException($"{part.Name} has a weight at row {row}, column {bad} that is not finite; {part.Format.Name()} weights must be finite.");
    }

    private static int IndexOfMaximum(ushort* values, int count)
    {
        ushort any = 0;
        for (int i = 0; i < count; i++)
            any |= (ushort)((values[i] & 0x7C00) + 0x400);
        if (any < 0x8000)
            return -1;
        for (int i = 0; i < count; i++)
            if ((values[i] & 0x7C00) == 0x7C00)
                return i;
        return -1;
    }
}
