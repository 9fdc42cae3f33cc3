using Mellum2.Managed.Model;

namespace Mellum2.Managed.Gpu.Tests;

/// <summary>Fused kernels without rows, and with NaN and infinities: the bits of their composition again, row by row.</summary>
public sealed class FusedExtremesTests
{
    private const int Columns = 20;
    private const int Outputs = 6;

    private delegate void Operation(IForwardKernels kernels, Tensor x, Tensor y, IWorkspace workspace);

    [Theory]
    [MemberData(nameof(TestDevices.Names), MemberType = typeof(TestDevices))]
    public void Nothing_and_NaN_go_through_as_they_do_one_by_one(string device)
    {
        GpuKernels kernels = TestDevices.Get(device);
        using WeightMatrix plain = WeightFactory.Create(new Random(1), DType.BF16, null, Outputs, Columns);
        using WeightMatrix plainTwice = WeightFactory.Create(new Random(2), DType.BF16, null, 2 * Outputs, Columns);
        using WeightMatrix w = kernels.Prepare([plain]), gateUp = kernels.Prepare([plainTwice]);
        Check(device, "MatMulAdd", Columns, Outputs, (all, x, y, workspace) => all.MatMulAdd(x, w, Residual(workspace, x.Rows), y, workspace),
            (all, x, y, workspace) => Composition.MatMulAdd(all, x, w, Residual(workspace, x.Rows), y, workspace));
        Check(device, "MatMulSwiGlu", Columns, Outputs, (all, x, y, workspace) => all.MatMulSwiGlu(x, gateUp, y, workspace),
            (all, x, y, workspace) => Composition.MatMulSwiGlu(all, x, gateUp, y, workspace));
        Check(device, "Project", Columns, Outputs, (all, x, y, workspace) => all.Project(x, w, w, w, y, Twin(workspace, x.Rows), Twin(workspace, x.Rows)),
            (all, x, y, workspace) => Composition.Project(all, x, w, w, w, y, Twin(workspace, x.Rows), Twin(workspace, x.Rows)));
        Check(device, "RouteAndDispatch", Columns, Columns, (all, x, y, workspace) => all.RouteAndDispatch(x, true, Routing(workspace, y), null),
            (all, x, y, workspace) => Composition.RouteAndDispatch(all, x, true, Routing(workspace, y), null));
        // Two slots a token, each token's rows side by side.
        Check(device, "CombineAdd", 2 * Outputs, Outputs, (all, x, y, workspace) => Combine(all, x, y, workspace, fused: true),
            (all, x, y, workspace) => Combine(all, x, y, workspace, fused: false));
    }

    private static void Check(string device, string name, int columns, int outputs, Operation fused, Operation composed)
    {
        GpuKernels kernels = TestDevices.Get(device);
        using PooledWorkspace workspace = new(kernels.Device.Allocate);
        _ = Run(fused, 0, 0);
        foreach (int rows in new[] { 1, 4 })
        {
            double[] before = Run(fused, rows, 0);
            foreach (float bad in new[] { float.NaN, float.PositiveInfinity, float.NegativeInfinity })
            {
                double[] want = Run(composed, rows, bad), got = Run(fused, rows, bad);
                Activations.AssertSame(want, got);
                Activations.AssertSame(before[outputs..], got[outputs..]);
                Assert.True(got[..outputs].Any(value => !double.IsFinite(value)) || bad == float.NegativeInfinity, name);
            }
        }

        double[] Run(Operation operation, int rows, float bad)
        {
            float[] values = new Random(rows).Random((long)rows * columns);
            if (rows > 0 && bad != 0)
                values[3] = bad;
            using Tensor x = kernels.Input(new Shape(rows, columns), values), y = kernels.Output(new Shape(rows, outputs));
            operation(kernels, x, y, workspace);
            return y.Read();
        }
    }

    // What the workspace hands out here it takes back when it is disposed of.
    private static Tensor Residual(IWorkspace workspace, int rows)
    {
        Tensor zeros = workspace.Rent(DType.F32, new Shape(rows, Outputs));
        zeros.Write<float>(new float[rows * Outputs]);
        return zeros;
    }

    private static Tensor Twin(IWorkspace workspace, int rows) => workspace.Rent(DType.F32, new Shape(rows, Outputs));

    private static RoutingTensors Routing(IWorkspace workspace, Tensor probabilities)
    {
        const int Slots = 2;
        int rows = probabilities.Rows;
        return new RoutingTensors(
            probabilities, workspace.Rent(DType.I32, new Shape(rows, Slots)), workspace.Rent(DType.F32, new Shape(rows, Slots)),
            Integers(probabilities.Columns + 1), Integers(rows * Slots), Integers(rows * Slots));

        Tensor Integers(int count) => workspace.Rent(DType.I32, new Shape(count));
    }

    private static void Combine(IForwardKernels kernels, Tensor x, Tensor y, IWorkspace workspace, bool fused)
    {
        const int Slots = 2;
        int tokens = x.Rows;
        x.Reinterpret(x.Type, new Shape(Slots * tokens, Outputs));
        using Tensor place = kernels.Integers(new Shape(Slots * tokens), [.. Enumerable.Range(0, Slots * tokens)]);
        using Tensor weights = kernels.Input(new Shape(tokens, Slots), [.. Enumerable.Repeat(0.5f, Slots * tokens)]);
        Tensor residual = Residual(workspace, tokens);
        if (fused)
            kernels.CombineAdd(x, place, weights, residual, y, workspace);
        else
            Composition.CombineAdd(kernels, x, place, weights, residual, y, workspace);
    }
}
