using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

internal static unsafe partial class WeightFactory
{
    /// <summary>The formats that products take, with every kind of scale that they can have.</summary>
    public static TheoryData<DType, ScaleKind?> Formats => new()
    {
        { DType.F32, null },
        { DType.BF16, null },
        { DType.F16, null },
        { DType.F8E4M3, null },
        { DType.F8E4M3, ScaleKind.Tensor },
        { DType.F8E4M3, ScaleKind.Row },
        { DType.F8E4M3, ScaleKind.Block },
    };
}
