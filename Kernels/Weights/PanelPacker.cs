using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Stacks row-major matrices and cuts them into the panels of <see cref="PanelLayout"/>.</summary>
internal sealed unsafe class PanelPacker
{
    private readonly WeightMatrix[] _parts;

    /// <summary>Checks that <paramref name="parts"/> can be stacked and multiplied by.</summary>
    public PanelPacker(ReadOnlySpan<WeightMatrix> parts)
    {
        if (parts.IsEmpty)
            throw new ArgumentException("There is no matrix to prepare.", nameof(parts));
        _parts = parts.ToArray();
        WeightMatrix first = parts[0];
        int rows = 0;
        foreach (WeightMatrix part in parts)
        {
            if (part.Layout != WeightLayout.RowMajor)
                throw new ArgumentException($"{part.Name} has been prepared already.", nameof(parts));
            if (part.Format is not (DType.F32 or DType.BF16 or DType.F16 or DType.F8E4M3))
                throw new InvalidInputException($"{part.Name} has weights of format {part.Format.Name()}; the CPU kernels multiply by F32, BF16, F16 and F8_E4M3.");
            if (part.Format != first.Format || part.Columns != first.Columns)
                throw new InvalidInputException($"{part.Name} [{part.Rows}, {part.Columns}] of {part.Format.Name()} cannot be stacked on {first.Name} [{first.Rows}, {first.Columns}] of {first.Format.Name()}: columns and format must be the same.");
            if (part.Scales is not null && part.Format != DType.F8E4M3)
                throw new InvalidInputException($"{part.Name} has scales beside weights of {part.Format.Name()}; only F8_E4M3 weights have scales.");
            rows = checked(rows + part.Rows);
        }
        Format = first.Format;
        Layout = new PanelLayout(Format, rows, first.Columns);
    }

    /// <summary>The format of the parts.</summary>
    public DType Format { get; }

    /// <summary>The shape of the result.</summary>
    public PanelLayout Layout { get; }

    /// <summary>Writes one panel; <paramref name="target"/> is zero before.</summary>
    public void Pack(int panel, uint* target)
    {
        int width = Layout.Width(panel), first = panel * Layout.PanelRows;
        int count = Math.Min(width, Layout.Rows - first);
        int bytes = Layout.Columns * Format.Size(), whole = bytes / sizeof(uint), size = Format.Size();
        uint** rows = stackalloc uint*[Layout.PanelRows];
        int part = 0, partRow = first;
        for (int r = 0; r < count; r++, partRow++)
        {
            while (partRow >= _parts[part].Rows)
                partRow -= _parts[part++].Rows;
            byte* row = _parts[part].Data.Data + (long)partRow * bytes;
            CheckFinite(_parts[part], partRow, row);
            rows[r] = (uint*)row;
        }
        Transposition.Run(rows, count, whole, target, width);
        if (whole == Layout.Dwords)
            return;
        // The bytes of the last, incomplete dword: nothing is read beyond a row.
        for (int r = 0; r < count; r++)
            for (int i = whole * sizeof(uint); i < bytes; i++)
                ((byte*)(target + (long)whole * width + r))[i % sizeof(uint)] = ((byte*)rows[r])[i];
    }

    /// <summary>The factors in the form of panels; null where the format has none.</summary>
    public WeightScales? PackScales()
    {
        if (Format != DType.F8E4M3)
            return null;
        ScaleKind source = Array.Exists(_parts, part => part.Scales?.Kind == ScaleKind.Block) ? ScaleKind.Block : ScaleKind.Row;
        int blocks = Layout.ScaleBlocks(source);
        Tensor each = Tensor.Allocate(DType.F32, new Shape(Layout.Panels, blocks, Layout.PanelRows));
        float largest = FillScales(each.Pointer<float>(), blocks, out bool shared);
        if (!shared)
            return new WeightScales(ScaleKind.PanelRow, each) { Largest = largest };
        Tensor one = Tensor.Allocate(DType.F32, new Shape(Layout.Panels, blocks));
        for (long i = 0; i < one.Count; i++)
            one.Pointer<float>()[i] = each.Pointer<float>()[i * Layout.PanelRows];
        each.Dispose();
        return new WeightScales(ScaleKind.Panel, one) { Largest = largest };
    }

    private float FillScales(float* target, int blocks, out bool shared)
    {
        float largest = 0;
        shared = true;
        int row = 0;
        foreach (WeightMatrix part in _parts)
        {
            for (int r = 0; r < part.Rows; r++, row++)
            {
                int panel = row / Layout.PanelRows, lane = row % Layout.PanelRows;
                for (int block = 0; block < blocks; block++)
                {
                    int column = Math.Min(block * WeightScales.BlockSize, Layout.Columns - 1);
                    float factor = part.Scales?.At(r, Math.Max(column, 0)) ?? 1;
                    if (!float.IsFinite(factor))
                        throw new InvalidInputException($"The scale of {part.Name} at row {r}, column {column} is {factor}; scales must be finite.");
                    largest = MathF.Max(largest, MathF.Abs(factor));
                    float* place = target + ((long)panel * blocks + block) * Layout.PanelRows;
                    place[lane] = factor;
                    shared &= BitConverter.SingleToInt32Bits(factor) == BitConverter.SingleToInt32Bits(*place);
                }
            }
        }
        return largest;
    }

    // The shift decode reads the exponent of infinities and NaN as one more binade.
    private void CheckFinite(WeightMatrix part, int row, byte* weights)
    {
        int bad = Format switch
        {
            DType.F16 => IndexOfMaximum((ushort*)weights, Layout.Columns),
            DType.F8E4M3 => IndexOfNaN(weights, Layout.Columns),
            _ => -1,
        };
        if (bad >= 0)
            throw new InvalidInputException($"{part.Name} has a weight at row {row}, column {bad} that is not finite; {Format.Name()} weights must be finite.");
    }

    private static int IndexOfNaN(byte* codes, int count) => new ReadOnlySpan<byte>(codes, count).IndexOfAny((byte)0x7F, (byte)0xFF);

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
