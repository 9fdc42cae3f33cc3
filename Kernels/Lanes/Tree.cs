using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Mellum2.Managed.Kernels;

/// <summary>The last steps of the reductions over sixteen lanes, the same for every width.</summary>
internal static class Tree
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Sum(Vector128<float> four)
    {
        Vector128<float> two = four + Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1));
        return two.ToScalar() + two.GetElement(1);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float MaxLane(Vector128<float> four)
    {
        Vector128<float> two = Max(four, Vector128.Shuffle(four, Vector128.Create(2, 3, 0, 1)));
        float a = two.ToScalar(), b = two.GetElement(1);
        return a > b ? a : b;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Max(Vector256<float> a, Vector256<float> b) =>
        Vector256.ConditionalSelect(Vector256.GreaterThan(a, b), a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<float> Max(Vector128<float> a, Vector128<float> b) =>
        Vector128.ConditionalSelect(Vector128.GreaterThan(a, b), a, b);
}
