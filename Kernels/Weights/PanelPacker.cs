using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Stacks row-major matrices and cuts them into the panels of <see cref="PanelLayout"/>.</summary>
internal sealed unsafe class PanelPacker
{
    private readonly WeightMatrix[] _parts;

    /// <summary>Checks that <paramref name="parts"/> can be stacked and multiplied by.</summary>
    public PanelPacker(ReadOnlySpan<WeightMatrix> parts)
    {
        int rows = WeightParts.Check(parts);
        _parts = parts.ToArray();
        WeightMatrix first = parts[0];
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
            WeightParts.CheckFinite(_parts[part], partRow, row);
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
        int blocks = Layout.ScaleBlocks(WeightParts.ScaleKind(_parts));
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
                    float factor = WeightParts.Scale(part, r, block);
                    largest = MathF.Max(largest, MathF.Abs(factor));
                    float* place = target + ((long)panel * blocks + block) * Layout.PanelRows;
                    place[lane] = factor;
                    shared &= BitConverter.SingleToInt32Bits(factor) == BitConverter.SingleToInt32Bits(*place);
                }
            }
        }
        return largest;
    }
}
