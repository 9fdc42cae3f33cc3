using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

/// <summary>FP8 weights as the forward kernels decode them.</summary>
public class FormatGoldenTests
{
    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Every_finite_e4m3_code_has_its_value(string name)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        ReadOnlySpan<uint> bits = GoldenManifest.Numerics("fp8")["decode"]["e4m3_bits"].Span<uint>();
        byte[] codes = [.. Enumerable.Range(0, 256).Where(code => (code & 0x7F) != 0x7F).Select(code => (byte)code)];
        using WeightMatrix stored = WeightMatrix.RowMajor("w", Tensor.From<byte>(DType.F8E4M3, new Shape(2, codes.Length / 2), codes));
        using WeightMatrix table = kernels.PrepareEmbedding(stored);
        using Tensor ids = kernels.Integers(new Shape(2), [0, 1]), y = kernels.Output(new Shape(2, codes.Length / 2));
        kernels.Embed(ids, table, y);
        double[] got = y.Read();
        for (int i = 0; i < codes.Length; i++)
            Assert.Equal(bits[codes[i]], BitConverter.SingleToUInt32Bits((float)got[i]));
    }

    /// <summary>The codes of x are the activations here, so that only the weights are decoded and scaled by the kernel.</summary>
    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "fp8_gemm", MemberType = typeof(BackEnds))]
    public void Products_with_e4m3_weights_agree(string name, string golden)
    {
        IForwardKernels kernels = BackEnds.Get(name);
        GoldenCase item = GoldenManifest.Numerics("fp8_gemm")[golden];
        int m = item.Integer("M"), k = item.Integer("K"), n = item.Integer("N");
        float[] codes = [.. item["x_code"].Span<byte>().ToArray().Select(code => new Float8E4M3(code).ToSingle())];
        using WeightMatrix stored = WeightMatrix.RowMajor(
            "w",
            Tensor.From(DType.F8E4M3, new Shape(n, k), item["w_code"].Span<byte>()),
            new WeightScales(ScaleKind.Tensor, Tensor.From<float>(DType.F32, new Shape(1), item["w_scale_inv"].Singles())));
        using WeightMatrix w = kernels.Prepare([stored]);
        using Tensor x = kernels.Input(new Shape(m, k), codes), y = kernels.Output(new Shape(m, n));
        kernels.MatMul(x, w, y);
        double inverse = item["x_scale_inv"].Singles()[0];
        item["y"].Check((double[])[.. y.Read().Select(value => value * inverse)]);
    }
}
