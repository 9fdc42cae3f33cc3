using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Asks for memory before it is needed. An address beyond a block of memory does no harm. Each method is one call for the
/// JIT's budget of inlining, which kernels come close to.
/// </summary>
internal static unsafe class Prefetch
{
    private const int LineDwords = 16;

    /// <summary>A cache line into the first-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Near(void* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch0(address);
    }

    /// <summary>Two cache lines into the first-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TwoLines(void* address)
    {
        if (!Sse.IsSupported)
            return;
        Sse.Prefetch0(address);
        Sse.Prefetch0((uint*)address + LineDwords);
    }

    /// <summary>A cache line of each of two rows into the first-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void TwoRows(void* first, void* second)
    {
        if (!Sse.IsSupported)
            return;
        Sse.Prefetch0(first);
        Sse.Prefetch0(second);
    }

    /// <summary>Four cache lines into the first-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void FourLines(void* address)
    {
        if (!Sse.IsSupported)
            return;
        Sse.Prefetch0(address);
        Sse.Prefetch0((uint*)address + LineDwords);
        Sse.Prefetch0((uint*)address + 2 * LineDwords);
        Sse.Prefetch0((uint*)address + 3 * LineDwords);
    }

    /// <summary>A cache line into the second-level cache.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Far(void* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch1(address);
    }
}
