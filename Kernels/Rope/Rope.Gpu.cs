using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // A position is three digits of eleven bits: cos and sin of every digit come from tables that the host makes in float64,
    // and two complex products put them together. So no position is too large, and no device's sine is asked.
    private const int RotationDigits = 3;
    private const int RotationBits = 11;
    private const int RotationBase = 1 << RotationBits;

    private readonly Dictionary<RopeParameters, Tensor> _rotations = [];
    private readonly GpuKernel<RopeTableArguments> _ropeTable = new("RopeTable", RopeTableKernel);
    private readonly GpuKernel<RopeArguments> _rope = new("Rope", RopeKernel);

    /// <inheritdoc/>
    public void RopeTable(Tensor positions, RopeParameters parameters, Tensor table)
    {
        if (!_rotations.TryGetValue(parameters, out Tensor? rotations))
            _rotations.Add(parameters, rotations = CreateRotations(parameters));
        RopeTableArguments arguments = new()
        {
            Positions = positions.View<int>(),
            Rotations = rotations.View<double>(),
            Table = table.View<float>(),
            Half = parameters.Dimension / 2,
            Factor = parameters.AttentionFactor,
        };
        _ropeTable.Run(_device, Groups(table.Count / 2), 1, Threads, arguments);
    }

    /// <inheritdoc/>
    public void Rope(Tensor x, Tensor table, Tensor y)
    {
        RopeArguments arguments = new()
        {
            X = x.View<float>(),
            Table = table.View<float>(),
            Y = y.View<float>(),
            Width = x.Columns,
            Dimension = table.Columns,
        };
        _rope.Run(_device, Groups(x.Count / 2), 1, Threads, arguments);
    }

    /// <summary>[digit, value, cos … sin …] of the angles value · 2^(11 · digit) · f_i.</summary>
    private Tensor CreateRotations(RopeParameters parameters)
    {
        int half = parameters.Dimension / 2;
        using Tensor host = Tensor.Allocate(DType.F64, new Shape(RotationDigits, RotationBase, 2 * half));
        Span<double> values = host.Span<double>();
        for (int row = 0; row < RotationDigits * RotationBase; row++)
        {
            double position = (double)(row % RotationBase) * (1L << (RotationBits * (row / RotationBase)));
            for (int i = 0; i < half; i++)
                (values[(row * 2 + 1) * half + i], values[row * 2 * half + i]) = Math.SinCos(position * parameters.InverseFrequencies[i]);
        }
        return host.CopyTo(_device);
    }

    /// <summary>One thread for each angle.</summary>
    private static void RopeTableKernel(RopeTableArguments a)
    {
        long index = (long)Grid.IdxX * Threads + Group.IdxX;
        if (index >= a.Positions.Length * a.Half)
            return;
        long token = index / a.Half;
        int i = (int)(index % a.Half), position = a.Positions[token];
        double cos = 1, sin = 0;
        for (int digit = 0; digit < RotationDigits; digit++)
        {
            int value = (position >> (RotationBits * digit)) & (RotationBase - 1);
            long row = ((long)digit * RotationBase + value) * 2 * a.Half;
            double c = a.Rotations[row + i], s = a.Rotations[row + a.Half + i];
            double turned = cos * c - sin * s;
            sin = sin * c + cos * s;
            cos = turned;
        }
        a.Table[token * 2 * a.Half + i] = (float)(cos * a.Factor);
        a.Table[token * 2 * a.Half + a.Half + i] = (float)(sin * a.Factor);
    }

    /// <summary>One thread for each pair.</summary>
    private static void RopeKernel(RopeArguments a)
    {
        int half = a.Dimension / 2;
        long index = (long)Grid.IdxX * Threads + Group.IdxX;
        if (index >= a.X.Length / 2)
            return;
        long head = index / half, token = head * a.Dimension / a.Width, first = head * a.Dimension + index % half;
        long angle = token * a.Dimension + index % half;
        float cos = a.Table[angle], sin = a.Table[angle + half];
        float left = a.X[first], right = a.X[first + half];
        a.Y[first] = left * cos - right * sin;
        a.Y[first + half] = right * cos + left * sin;
    }

    internal struct RopeTableArguments
    {
        public ArrayView<int> Positions;
        public ArrayView<double> Rotations;
        public ArrayView<float> Table;
        public int Half;
        public double Factor;
    }

    internal struct RopeArguments
    {
        public ArrayView<float> X;
        public ArrayView<float> Table;
        public ArrayView<float> Y;
        public int Width;
        public int Dimension;
    }
}
