using ILGPU;
using ILGPU.Runtime;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>Which lane holds what: one product of a warp, with operands laid out as NVIDIA's PTX ISA describes.</summary>
public sealed class MmaFragmentTests
{
    private const int Rows = 16;
    private const int Outputs = 8;

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void E4M3_products_of_a_warp_agree_with_the_definition(string device) => AgreesWithTheDefinition(device, OneWarp<SimulatedMma>);

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void So_do_those_of_bfloat16_instructions(string device) => AgreesWithTheDefinition(device, OneWarp<WidenedMma<SimulatedMma>>);

    private static void AgreesWithTheDefinition(string device, Action<FragmentArguments> kernel)
    {
        const int Columns = 32;
        Random random = new(11);
        byte[] x = Codes(random, Rows * Columns), w = Codes(random, Outputs * Columns);
        float[] got = Run(device, x, w, kernel);
        for (int row = 0; row < Rows; row++)
        {
            for (int output = 0; output < Outputs; output++)
            {
                double want = 0, magnitude = 0;
                for (int k = 0; k < Columns; k++)
                {
                    double term = (double)new Float8E4M3(x[row * Columns + k]).ToSingle() * new Float8E4M3(w[output * Columns + k]).ToSingle();
                    want += term;
                    magnitude += Math.Abs(term);
                }
                Assert.Equal(want, got[row * Outputs + output], magnitude * Math.ScaleB(1, -19));
            }
        }
    }

    [ToolTheory("nvdisasm")]
    [InlineData(8, 9, "QMMA.16832.F32.E4M3.E4M3")]
    [InlineData(9, 0, "HMMA.16816.F32")]
    public void E4M3_products_are_native_on_sm_89_only(int major, int minor, string instruction) => Assert.Contains(
        instruction, CompilerTests.Disassemble(((Action<FragmentArguments>)OneWarp<CudaMma>).Method, major, minor), StringComparison.Ordinal);

    private static byte[] Codes(Random random, int count)
    {
        byte[] codes = new byte[count];
        random.NextBytes(codes);
        // The two codes that are no numbers.
        for (int i = 0; i < count; i++)
            codes[i] = (codes[i] & 0x7F) == 0x7F ? (byte)(codes[i] ^ 1) : codes[i];
        return codes;
    }

    private static float[] Run(string device, byte[] x, byte[] w, Action<FragmentArguments> kernel)
    {
        GpuDevice open = (GpuDevice)TestDevices.Get(device).Device;
        using Tensor left = Activations.Integers(new Shape(x.Length / 4), [.. System.Runtime.InteropServices.MemoryMarshal.Cast<byte, int>(x)], open);
        using Tensor right = Activations.Integers(new Shape(w.Length / 4), [.. System.Runtime.InteropServices.MemoryMarshal.Cast<byte, int>(w)], open);
        using Tensor y = TestDevices.Get(device).Output(new Shape(Rows, Outputs));
        FragmentArguments arguments = new() { X = left.View<uint>(), W = right.View<uint>(), Y = y.View<float>() };
        new GpuKernel<FragmentArguments>("OneWarp", kernel).Run(open, 1, 1, 32, arguments);
        return [.. y.Read().Select(value => (float)value)];
    }

    private static void OneWarp<TMma>(FragmentArguments a) where TMma : struct, IMma
    {
        ArrayView<uint> scratch = TMma.Scratch(a.X);
        int lane = Group.IdxX, row = lane / 4, t = lane % 4;
        Fragments x = new() { R0 = a.X[row * 8 + t], R1 = a.X[(row + 8) * 8 + t], R2 = a.X[row * 8 + t + 4], R3 = a.X[(row + 8) * 8 + t + 4] };
        FragmentB w = new() { R0 = a.W[row * 8 + t], R1 = a.W[row * 8 + t + 4] };
        Accumulator sums = TMma.Float8(default, x, w, scratch);
        a.Y[row * Outputs + 2 * t] = sums.X;
        a.Y[row * Outputs + 2 * t + 1] = sums.Y;
        a.Y[(row + 8) * Outputs + 2 * t] = sums.Z;
        a.Y[(row + 8) * Outputs + 2 * t + 1] = sums.W;
    }

    public struct FragmentArguments
    {
        public ArrayView<uint> X;
        public ArrayView<uint> W;
        public ArrayView<float> Y;
    }
}
