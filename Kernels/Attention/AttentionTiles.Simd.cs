using System.Runtime.CompilerServices;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// The inner loops of attention over a tile of 64 keys, which a head has in four blocks of sixteen. Several queries share
/// the loads of keys and values; how many changes no bits, since a score is one chain over the dimensions and an output
/// one chain over the keys.
/// </summary>
internal static unsafe class AttentionTiles<T, TCache> where T : struct, ILanes<T> where TCache : struct, ICacheFormat
{
    /// <summary>The distance between the scores of two queries: a tile.</summary>
    private const int ScoreStride = KvLayer.TileSlots;

    /// <summary>Whether registers hold four queries times four vectors.</summary>
    private static bool IsWide
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => T.Accumulators >= 20;
    }

    /// <summary>scores[i][j] = q_i·k_j for four queries and the keys of blocks <paramref name="begin"/> to <paramref name="end"/> − 1.</summary>
    public static void Scores4(
        float* q0, float* q1, float* q2, float* q3, byte* keys, long blockBytes, int begin, int end, int dimension, float* scores)
    {
        if (IsWide && end - begin > 2)
        {
            Scores4x4(q0, q1, q2, q3, keys, blockBytes, dimension, scores);
            return;
        }
        int block = begin;
        if (IsWide && end - begin == 2)
        {
            Scores4x2(q0, q1, q2, q3, keys + block * blockBytes, blockBytes, dimension, scores + 16 * block);
            return;
        }
        for (; block < end; block++)
            Scores4x1(q0, q1, q2, q3, keys + block * blockBytes, dimension, scores + 16 * block);
    }

    /// <summary>The scores of one query.</summary>
    public static void Scores1(float* q, byte* keys, long blockBytes, int begin, int end, int dimension, float* scores)
    {
        if (end - begin > 2)
        {
            Scores1x4(q, keys, blockBytes, dimension, scores);
            return;
        }
        for (int block = begin; block < end; block++)
        {
            T sum = T.Zero;
            byte* k = keys + block * blockBytes;
            for (int d = 0; d < dimension; d++, k += 16 * TCache.Size)
                sum = T.FusedMultiplyAdd(T.Broadcast(q[d]), TCache.Load<T>(k), sum);
            T.Store(sum, scores + 16 * block);
        }
    }

    /// <summary>
    /// output_i += Σ_j p[i][j]·v_j for four queries, keys <paramref name="begin"/> to <paramref name="end"/> − 1 of the tile.
    /// </summary>
    public static void Values4(float* p, byte* values, long blockBytes, int begin, int end, int dimension, float* output, int outputStride)
    {
        int d = 0;
        if (IsWide)
            for (; d <= dimension - 64; d += 64)
                Values4x4(p, values + d * TCache.Size, blockBytes, begin, end, dimension, output + d, outputStride);
        if (IsWide)
            for (; d <= dimension - 32; d += 32)
                Values4x2(p, values + d * TCache.Size, blockBytes, begin, end, dimension, output + d, outputStride);
        for (; d < dimension; d += 16)
            Values4x1(p, values + d * TCache.Size, blockBytes, begin, end, dimension, output + d, outputStride);
    }

    /// <summary>The outputs of one query.</summary>
    public static void Values1(float* p, byte* values, long blockBytes, int begin, int end, int dimension, float* output)
    {
        int d = 0;
        for (; d <= dimension - 64; d += 64)
            Values1x4(p, values + d * TCache.Size, blockBytes, begin, end, dimension, output + d);
        for (; d < dimension; d += 16)
        {
            T sum = T.Load(output + d);
            for (int j = begin; j < end; j++)
                sum = T.FusedMultiplyAdd(T.Broadcast(p[j]), TCache.Load<T>(Value(values, blockBytes, dimension, j) + d * TCache.Size), sum);
            T.Store(sum, output + d);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static byte* Value(byte* values, long blockBytes, int dimension, int j) =>
        values + j / KvLayer.BlockSlots * blockBytes + (long)(j % KvLayer.BlockSlots) * dimension * TCache.Size;

    private static void Scores4x4(float* q0, float* q1, float* q2, float* q3, byte* keys, long blockBytes, int dimension, float* scores)
    {
        T s00 = T.Zero, s01 = T.Zero, s02 = T.Zero, s03 = T.Zero;
        T s10 = T.Zero, s11 = T.Zero, s12 = T.Zero, s13 = T.Zero;
        T s20 = T.Zero, s21 = T.Zero, s22 = T.Zero, s23 = T.Zero;
        T s30 = T.Zero, s31 = T.Zero, s32 = T.Zero, s33 = T.Zero;
        byte* k = keys;
        byte* far = keys + 2 * blockBytes;
        for (int d = 0; d < dimension; d++)
        {
            T k0 = TCache.Load<T>(k), k1 = TCache.Load<T>(k + blockBytes);
            T k2 = TCache.Load<T>(far), k3 = TCache.Load<T>(far + blockBytes);
            T q = T.Broadcast(q0[d]);
            s00 = T.FusedMultiplyAdd(q, k0, s00);
            s01 = T.FusedMultiplyAdd(q, k1, s01);
            s02 = T.FusedMultiplyAdd(q, k2, s02);
            s03 = T.FusedMultiplyAdd(q, k3, s03);
            q = T.Broadcast(q1[d]);
            s10 = T.FusedMultiplyAdd(q, k0, s10);
            s11 = T.FusedMultiplyAdd(q, k1, s11);
            s12 = T.FusedMultiplyAdd(q, k2, s12);
            s13 = T.FusedMultiplyAdd(q, k3, s13);
            q = T.Broadcast(q2[d]);
            s20 = T.FusedMultiplyAdd(q, k0, s20);
            s21 = T.FusedMultiplyAdd(q, k1, s21);
            s22 = T.FusedMultiplyAdd(q, k2, s22);
            s23 = T.FusedMultiplyAdd(q, k3, s23);
            q = T.Broadcast(q3[d]);
            s30 = T.FusedMultiplyAdd(q, k0, s30);
            s31 = T.FusedMultiplyAdd(q, k1, s31);
            s32 = T.FusedMultiplyAdd(q, k2, s32);
            s33 = T.FusedMultiplyAdd(q, k3, s33);
            k += 16 * TCache.Size;
            far += 16 * TCache.Size;
        }
        Store4(s00, s01, s02, s03, scores);
        Store4(s10, s11, s12, s13, scores + ScoreStride);
        Store4(s20, s21, s22, s23, scores + 2 * ScoreStride);
        Store4(s30, s31, s32, s33, scores + 3 * ScoreStride);
    }

    private static void Scores4x2(float* q0, float* q1, float* q2, float* q3, byte* keys, long blockBytes, int dimension, float* scores)
    {
        T s00 = T.Zero, s01 = T.Zero, s10 = T.Zero, s11 = T.Zero;
        T s20 = T.Zero, s21 = T.Zero, s30 = T.Zero, s31 = T.Zero;
        byte* k = keys;
        for (int d = 0; d < dimension; d++)
        {
            T k0 = TCache.Load<T>(k), k1 = TCache.Load<T>(k + blockBytes);
            T q = T.Broadcast(q0[d]);
            s00 = T.FusedMultiplyAdd(q, k0, s00);
            s01 = T.FusedMultiplyAdd(q, k1, s01);
            q = T.Broadcast(q1[d]);
            s10 = T.FusedMultiplyAdd(q, k0, s10);
            s11 = T.FusedMultiplyAdd(q, k1, s11);
            q = T.Broadcast(q2[d]);
            s20 = T.FusedMultiplyAdd(q, k0, s20);
            s21 = T.FusedMultiplyAdd(q, k1, s21);
            q = T.Broadcast(q3[d]);
            s30 = T.FusedMultiplyAdd(q, k0, s30);
            s31 = T.FusedMultiplyAdd(q, k1, s31);
            k += 16 * TCache.Size;
        }
        T.Store(s00, scores);
        T.Store(s01, scores + 16);
        T.Store(s10, scores + ScoreStride);
        T.Store(s11, scores + ScoreStride + 16);
        T.Store(s20, scores + 2 * ScoreStride);
        T.Store(s21, scores + 2 * ScoreStride + 16);
        T.Store(s30, scores + 3 * ScoreStride);
        T.Store(s31, scores + 3 * ScoreStride + 16);
    }

    private static void Scores4x1(float* q0, float* q1, float* q2, float* q3, byte* keys, int dimension, float* scores)
    {
        T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
        byte* k = keys;
        for (int d = 0; d < dimension; d++)
        {
            T k0 = TCache.Load<T>(k);
            s0 = T.FusedMultiplyAdd(T.Broadcast(q0[d]), k0, s0);
            s1 = T.FusedMultiplyAdd(T.Broadcast(q1[d]), k0, s1);
            s2 = T.FusedMultiplyAdd(T.Broadcast(q2[d]), k0, s2);
            s3 = T.FusedMultiplyAdd(T.Broadcast(q3[d]), k0, s3);
            k += 16 * TCache.Size;
        }
        T.Store(s0, scores);
        T.Store(s1, scores + ScoreStride);
        T.Store(s2, scores + 2 * ScoreStride);
        T.Store(s3, scores + 3 * ScoreStride);
    }

    private static void Scores1x4(float* query, byte* keys, long blockBytes, int dimension, float* scores)
    {
        T s0 = T.Zero, s1 = T.Zero, s2 = T.Zero, s3 = T.Zero;
        byte* k = keys;
        for (int d = 0; d < dimension; d++)
        {
            T q = T.Broadcast(query[d]);
            s0 = T.FusedMultiplyAdd(q, TCache.Load<T>(k), s0);
            s1 = T.FusedMultiplyAdd(q, TCache.Load<T>(k + blockBytes), s1);
            s2 = T.FusedMultiplyAdd(q, TCache.Load<T>(k + 2 * blockBytes), s2);
            s3 = T.FusedMultiplyAdd(q, TCache.Load<T>(k + 3 * blockBytes), s3);
            k += 16 * TCache.Size;
        }
        Store4(s0, s1, s2, s3, scores);
    }

    private static void Values4x4(float* p, byte* values, long blockBytes, int begin, int end, int dimension, float* output, int stride)
    {
        Load4(output, out T o00, out T o01, out T o02, out T o03);
        Load4(output + stride, out T o10, out T o11, out T o12, out T o13);
        Load4(output + 2 * stride, out T o20, out T o21, out T o22, out T o23);
        Load4(output + 3 * stride, out T o30, out T o31, out T o32, out T o33);
        for (int j = begin; j < end;)
        {
            byte* v = Value(values, blockBytes, dimension, j);
            int stop = Math.Min(end, (j | (KvLayer.BlockSlots - 1)) + 1);
            for (; j < stop; j++)
            {
                T v0 = TCache.Load<T>(v), v1 = TCache.Load<T>(v + 16 * TCache.Size);
                T v2 = TCache.Load<T>(v + 32 * TCache.Size), v3 = TCache.Load<T>(v + 48 * TCache.Size);
                T w = T.Broadcast(p[j]);
                o00 = T.FusedMultiplyAdd(w, v0, o00);
                o01 = T.FusedMultiplyAdd(w, v1, o01);
                o02 = T.FusedMultiplyAdd(w, v2, o02);
                o03 = T.FusedMultiplyAdd(w, v3, o03);
                w = T.Broadcast(p[j + ScoreStride]);
                o10 = T.FusedMultiplyAdd(w, v0, o10);
                o11 = T.FusedMultiplyAdd(w, v1, o11);
                o12 = T.FusedMultiplyAdd(w, v2, o12);
                o13 = T.FusedMultiplyAdd(w, v3, o13);
                w = T.Broadcast(p[j + 2 * ScoreStride]);
                o20 = T.FusedMultiplyAdd(w, v0, o20);
                o21 = T.FusedMultiplyAdd(w, v1, o21);
                o22 = T.FusedMultiplyAdd(w, v2, o22);
                o23 = T.FusedMultiplyAdd(w, v3, o23);
                w = T.Broadcast(p[j + 3 * ScoreStride]);
                o30 = T.FusedMultiplyAdd(w, v0, o30);
                o31 = T.FusedMultiplyAdd(w, v1, o31);
                o32 = T.FusedMultiplyAdd(w, v2, o32);
                o33 = T.FusedMultiplyAdd(w, v3, o33);
                v += dimension * TCache.Size;
            }
        }
        Store4(o00, o01, o02, o03, output);
        Store4(o10, o11, o12, o13, output + stride);
        Store4(o20, o21, o22, o23, output + 2 * stride);
        Store4(o30, o31, o32, o33, output + 3 * stride);
    }

    private static void Values4x2(float* p, byte* values, long blockBytes, int begin, int end, int dimension, float* output, int stride)
    {
        T o00 = T.Load(output), o01 = T.Load(output + 16), o10 = T.Load(output + stride), o11 = T.Load(output + stride + 16);
        T o20 = T.Load(output + 2 * stride), o21 = T.Load(output + 2 * stride + 16);
        T o30 = T.Load(output + 3 * stride), o31 = T.Load(output + 3 * stride + 16);
        for (int j = begin; j < end;)
        {
            byte* v = Value(values, blockBytes, dimension, j);
            int stop = Math.Min(end, (j | (KvLayer.BlockSlots - 1)) + 1);
            for (; j < stop; j++)
            {
                T v0 = TCache.Load<T>(v), v1 = TCache.Load<T>(v + 16 * TCache.Size);
                T w = T.Broadcast(p[j]);
                o00 = T.FusedMultiplyAdd(w, v0, o00);
                o01 = T.FusedMultiplyAdd(w, v1, o01);
                w = T.Broadcast(p[j + ScoreStride]);
                o10 = T.FusedMultiplyAdd(w, v0, o10);
                o11 = T.FusedMultiplyAdd(w, v1, o11);
                w = T.Broadcast(p[j + 2 * ScoreStride]);
                o20 = T.FusedMultiplyAdd(w, v0, o20);
                o21 = T.FusedMultiplyAdd(w, v1, o21);
                w = T.Broadcast(p[j + 3 * ScoreStride]);
                o30 = T.FusedMultiplyAdd(w, v0, o30);
                o31 = T.FusedMultiplyAdd(w, v1, o31);
                v += dimension * TCache.Size;
            }
        }
        T.Store(o00, output);
        T.Store(o01, output + 16);
        T.Store(o10, output + stride);
        T.Store(o11, output + stride + 16);
        T.Store(o20, output + 2 * stride);
        T.Store(o21, output + 2 * stride + 16);
        T.Store(o30, output + 3 * stride);
        T.Store(o31, output + 3 * stride + 16);
    }

    private static void Values4x1(float* p, byte* values, long blockBytes, int begin, int end, int dimension, float* output, int stride)
    {
        T o0 = T.Load(output), o1 = T.Load(output + stride), o2 = T.Load(output + 2 * stride), o3 = T.Load(output + 3 * stride);
        for (int j = begin; j < end;)
        {
            byte* v = Value(values, blockBytes, dimension, j);
            int stop = Math.Min(end, (j | (KvLayer.BlockSlots - 1)) + 1);
            for (; j < stop; j++)
            {
                T v0 = TCache.Load<T>(v);
                o0 = T.FusedMultiplyAdd(T.Broadcast(p[j]), v0, o0);
                o1 = T.FusedMultiplyAdd(T.Broadcast(p[j + ScoreStride]), v0, o1);
                o2 = T.FusedMultiplyAdd(T.Broadcast(p[j + 2 * ScoreStride]), v0, o2);
                o3 = T.FusedMultiplyAdd(T.Broadcast(p[j + 3 * ScoreStride]), v0, o3);
                v += dimension * TCache.Size;
            }
        }
        T.Store(o0, output);
        T.Store(o1, output + stride);
        T.Store(o2, output + 2 * stride);
        T.Store(o3, output + 3 * stride);
    }

    private static void Values1x4(float* p, byte* values, long blockBytes, int begin, int end, int dimension, float* output)
    {
        Load4(output, out T o0, out T o1, out T o2, out T o3);
        for (int j = begin; j < end;)
        {
            byte* v = Value(values, blockBytes, dimension, j);
            int stop = Math.Min(end, (j | (KvLayer.BlockSlots - 1)) + 1);
            for (; j < stop; j++)
            {
                T w = T.Broadcast(p[j]);
                o0 = T.FusedMultiplyAdd(w, TCache.Load<T>(v), o0);
                o1 = T.FusedMultiplyAdd(w, TCache.Load<T>(v + 16 * TCache.Size), o1);
                o2 = T.FusedMultiplyAdd(w, TCache.Load<T>(v + 32 * TCache.Size), o2);
                o3 = T.FusedMultiplyAdd(w, TCache.Load<T>(v + 48 * TCache.Size), o3);
                v += dimension * TCache.Size;
            }
        }
        Store4(o0, o1, o2, o3, output);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Load4(float* source, out T a, out T b, out T c, out T d) =>
        (a, b, c, d) = (T.Load(source), T.Load(source + 16), T.Load(source + 32), T.Load(source + 48));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store4(T a, T b, T c, T d, float* target)
    {
        T.Store(a, target);
        T.Store(b, target + 16);
        T.Store(c, target + 32);
        T.Store(d, target + 48);
    }
}
