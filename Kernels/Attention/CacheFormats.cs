using System.Runtime.CompilerServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>How the SIMD kernels read and write the elements of a <see cref="KvLayer"/>.</summary>
internal unsafe interface ICacheFormat
{
    /// <summary>The bytes of an element.</summary>
    static abstract int Size { get; }

    /// <summary>Sixteen elements, widened exactly.</summary>
    static abstract T Load<T>(byte* source) where T : struct, ILanes<T>;

    /// <summary>Writes sixteen elements, rounded to nearest even.</summary>
    static abstract void Store<T>(T value, byte* target) where T : struct, ILanes<T>;

    /// <summary>Writes the first <paramref name="count"/> of sixteen elements.</summary>
    static abstract void StoreTail<T>(T value, byte* target, int count) where T : struct, ILanes<T>;

    /// <summary>Writes one element, the bits that <see cref="Store"/> would write.</summary>
    static abstract void StoreOne(float value, byte* target);
}

/// <summary>Caches in float32.</summary>
internal readonly unsafe struct Float32Cache : ICacheFormat
{
    public static int Size => sizeof(float);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Load<T>(byte* source) where T : struct, ILanes<T> => T.Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(T value, byte* target) where T : struct, ILanes<T> => T.Store(value, (float*)target);

    public static void StoreTail<T>(T value, byte* target, int count) where T : struct, ILanes<T> =>
        LaneTail<T>.Store(value, (float*)target, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreOne(float value, byte* target) => *(float*)target = value;
}

/// <summary>Caches in bfloat16.</summary>
internal readonly unsafe struct BFloat16Cache : ICacheFormat
{
    public static int Size => sizeof(ushort);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Load<T>(byte* source) where T : struct, ILanes<T> => T.LoadBFloat16((ushort*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Store<T>(T value, byte* target) where T : struct, ILanes<T> => T.StoreBFloat16(value, (ushort*)target);

    public static void StoreTail<T>(T value, byte* target, int count) where T : struct, ILanes<T> =>
        LaneTail<T>.StoreBFloat16(value, (ushort*)target, count);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void StoreOne(float value, byte* target) => *(ushort*)target = BFloat16.FromSingle(value).Bits;
}
