using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Engine.Tests;

public class NumberFormatGoldenTests
{
    private static GoldenManifest Manifest => GoldenManifest.Numerics("fp8");

    private static float[] Inputs(GoldenCase golden)
    {
        uint[] bits = golden["input_bits"].Span<uint>().ToArray();
        return [.. bits.Select(BitConverter.UInt32BitsToSingle)];
    }

    private static bool IsNaN(uint bits) => float.IsNaN(BitConverter.UInt32BitsToSingle(bits));

    [Fact]
    public void Every_FP8_code_decodes()
    {
        byte[] codes = [.. Enumerable.Range(0, 256).Select(code => (byte)code)];
        GoldenCase golden = Manifest["decode"];
        golden["e4m3_bits"].CheckCodes<uint>([.. codes.Select(c => BitConverter.SingleToUInt32Bits(new Float8E4M3(c).ToSingle()))], IsNaN);
        golden["e5m2_bits"].CheckCodes<uint>([.. codes.Select(c => BitConverter.SingleToUInt32Bits(new Float8E5M2(c).ToSingle()))], IsNaN);
    }

    [Fact]
    public void Numbers_encode_to_FP8()
    {
        GoldenCase golden = Manifest["encode"];
        float[] inputs = Inputs(golden);
        golden["e4m3_code"].CheckCodes<byte>([.. inputs.Select(x => Float8E4M3.FromSingle(x).Bits)], c => float.IsNaN(new Float8E4M3(c).ToSingle()));
        golden["e5m2_code"].CheckCodes<byte>([.. inputs.Select(x => Float8E5M2.FromSingle(x).Bits)], c => float.IsNaN(new Float8E5M2(c).ToSingle()));
    }

    [Fact]
    public void Numbers_encode_to_bfloat16_and_binary16()
    {
        GoldenCase bf16 = Manifest["bf16"], f16 = Manifest["f16"];
        bf16["code"].CheckCodes<ushort>([.. Inputs(bf16).Select(x => BFloat16.FromSingle(x).Bits)], c => float.IsNaN(new BFloat16(c).ToSingle()));
        f16["code"].CheckCodes<ushort>([.. Inputs(f16).Select(Float16.FromSingle)], c => float.IsNaN(Float16.ToSingle(c)));
    }
}
