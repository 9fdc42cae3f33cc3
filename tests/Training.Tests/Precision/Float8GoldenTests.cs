using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

public class Float8GoldenTests
{
    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "fp8_gemm", MemberType = typeof(BackEnds))]
    public void Linear_layer_follows_the_goldens(string name, string golden)
    {
        IOptimizerKernels kernels = BackEnds.Get(name);
        GoldenCase item = GoldenManifest.Numerics("fp8_gemm")[golden];
        using PooledWorkspace workspace = new();
        Float8Products products = new(kernels, workspace);
        int m = item.Integer("M"), k = item.Integer("K"), n = item.Integer("N");
        Float8Operand x = Quantized(kernels, products, item, "x", DType.F8E4M3);
        Float8Operand w = Quantized(kernels, products, item, "w", DType.F8E4M3);
        Float8Operand dy = Quantized(kernels, products, item, "dy", DType.F8E5M2);
        using Tensor y = kernels.Zeros(new Shape(m, n)), dx = kernels.Zeros(new Shape(m, k)), dw = kernels.Zeros(new Shape(n, k));
        products.Forward(x, w, y);
        item["y"].Check(y.Read());
        products.InputGradient(dy, w, dx);
        item["dx"].Check(dx.Read());
        products.WeightGradient(dy, x, dw);
        item["dw"].Check(dw.Read());
    }

    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "fp8_gemm", MemberType = typeof(BackEnds))]
    public void A_product_on_the_tape_follows_the_goldens(string name, string golden)
    {
        IOptimizerKernels kernels = BackEnds.Get(name);
        GoldenCase item = GoldenManifest.Numerics("fp8_gemm")[golden];
        int m = item.Integer("M"), k = item.Integer("K"), n = item.Integer("N");
        using TrainingWorkspace workspace = new();
        using Tape tape = new((ITrainingKernels)kernels, workspace) { Precision = TrainingPrecision.FP8 };
        // The rows of x are embeddings, so that dx is the gradient of their table.
        using Tensor rows = Tensor.From<int>(DType.I32, new Shape(m), [.. Enumerable.Range(0, m)]);
        using Tensor table = kernels.Input(item["x"]), w = kernels.Input(item["w"]), dx = kernels.Zeros(table.Shape), dw = kernels.Zeros(w.Shape);
        tape.Register(table, dx);
        tape.Register(w, dw);
        Tensor x = workspace.Rent(kernels.ActivationType, new Shape(m, k)), y = workspace.Rent(kernels.ActivationType, new Shape(m, n));
        tape.Embed(rows, WeightMatrix.RowMajor("table", table), x);
        tape.MatMul(x, WeightMatrix.RowMajor("w", w), y);
        item["y"].Check(y.Read());
        Tensor dy = tape.Rent(y);
        dy.WriteSingles(item["dy"].Singles());
        tape.AddGradient(y, dy);
        tape.Backward();
        item["dx"].Check(dx.Read());
        item["dw"].Check(dw.Read());
    }

    [Theory]
    [MemberData(nameof(BackEnds.Names), MemberType = typeof(BackEnds))]
    public void Codes_follow_the_goldens(string name)
    {
        IOptimizerKernels kernels = BackEnds.Get(name);
        GoldenCase golden = GoldenManifest.Numerics("fp8")["encode"];
        float[] input = [.. golden["input_bits"].Span<uint>().ToArray().Select(BitConverter.UInt32BitsToSingle)];
        using Tensor x = kernels.Input(new Shape(input.Length), input);
        using Tensor e4m3 = Tensor.Allocate(DType.F8E4M3, x.Shape), e5m2 = Tensor.Allocate(DType.F8E5M2, x.Shape);
        kernels.QuantizeFloat8(x, 1, e4m3);
        golden["e4m3_code"].CheckCodes<byte>(e4m3.Span<byte>(), code => (code & 0x7F) == 0x7F);
        kernels.QuantizeFloat8(x, 1, e5m2);
        golden["e5m2_code"].CheckCodes<byte>(e5m2.Span<byte>(), code => (code & 0x7F) > 0x7C);
    }

    private static Float8Operand Quantized(IOptimizerKernels kernels, Float8Products products, GoldenCase golden, string name, DType format)
    {
        using Tensor x = kernels.Input(golden[name]);
        Float8Operand operand = products.Quantize(x, format);
        golden[name + "_amax"].Check((float[])[operand.Maximum]);
        golden[name + "_scale"].Check((float[])[operand.Scale.Value]);
        golden[name + "_scale_inv"].Check((float[])[operand.Scale.Inverse]);
        golden[name + "_code"].CheckCodes<byte>(operand.Codes.Span<byte>(), code => (code & 0x7F) == 0x7F);
        return operand;
    }
}
