using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>Reads rows of a table, row-major or in panels, as float32.</summary>
internal readonly unsafe struct EmbeddingRow(WeightMatrix table)
{
    private readonly PanelLayout _layout = new(table.Format, table.Rows, table.Columns);
    private readonly byte* _data = table.Data.Data;

    /// <summary>target[c] = table[row, c], exactly, times its scale rounded once.</summary>
    public void Read<T>(int row, float* target) where T : struct, ILanes<T>
    {
        // A row-major row is a panel of one row: consecutive dwords.
        bool rowMajor = table.Layout == WeightLayout.RowMajor;
        int size = table.Format.Size();
        int panel = row / _layout.PanelRows, lane = row % _layout.PanelRows;
        int stride = rowMajor ? 1 : _layout.Width(panel);
        byte* source = rowMajor
            ? _data + (long)row * table.Columns * size
            : _data + (_layout.Offset(panel) + lane) * sizeof(uint);
        switch (table.Format)
        {
            case DType.F32:
                for (int c = 0; c < table.Columns; c++)
                    target[c] = ((float*)source)[(long)c * stride];
                break;
            case DType.BF16 when rowMajor:
                int k = 0;
                for (; k + PanelLayout.Lanes <= table.Columns; k += PanelLayout.Lanes)
                    T.Store(T.LoadBFloat16((ushort*)source + k), target + k);
                for (; k < table.Columns; k++)
                    target[k] = new BFloat16(((ushort*)source)[k]).ToSingle();
                break;
            case DType.BF16:
                for (int c = 0; c < table.Columns; c++)
                    target[c] = new BFloat16(((ushort*)source)[(long)(c / 2) * 2 * stride + c % 2]).ToSingle();
                break;
            case DType.F16:
                for (int c = 0; c < table.Columns; c++)
                    target[c] = Float16.ToSingle(((ushort*)source)[(long)(c / 2) * 2 * stride + c % 2]);
                break;
            case DType.F8E4M3:
                for (int c = 0; c < table.Columns; c++)
                    target[c] = new Float8E4M3(source[(long)(c / 4) * 4 * stride + c % 4]).ToSingle();
                break;
            case DType.F8E5M2:
                for (int c = 0; c < table.Columns; c++)
                    target[c] = new Float8E5M2(source[(long)(c / 4) * 4 * stride + c % 4]).ToSingle();
                break;
            default:
                throw new ArgumentException($"{table.Name} has format {table.Format}, which is not a format of weights.");
        }
        if (table.Scales is { } scales)
            Scale(scales, row, target);
    }

    private void Scale(WeightScales scales, int row, float* target)
    {
        int width = scales.Kind is ScaleKind.Block or ScaleKind.Panel or ScaleKind.PanelRow ? WeightScales.BlockSize : table.Columns;
        if (scales.Kind is ScaleKind.Panel or ScaleKind.PanelRow && scales.Values.Shape[1] == 1)
            width = table.Columns;
        for (int begin = 0; begin < table.Columns; begin += width)
        {
            float factor = Factor(scales, row, begin);
            for (int c = begin; c < Math.Min(begin + width, table.Columns); c++)
                target[c] *= factor;
        }
    }

    private float Factor(WeightScales scales, int row, int column)
    {
        if (scales.Kind is not (ScaleKind.Panel or ScaleKind.PanelRow))
            return scales.At(row, column);
        int blocks = scales.Values.Shape[1];
        long place = (long)(row / _layout.PanelRows) * blocks + Math.Min(column / WeightScales.BlockSize, blocks - 1);
        return scales.Kind == ScaleKind.Panel
            ? scales.Values.Pointer<float>()[place]
            : scales.Values.Pointer<float>()[place * _layout.PanelRows + row % _layout.PanelRows];
    }
}
