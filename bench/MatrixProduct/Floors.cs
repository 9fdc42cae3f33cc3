using System.Runtime.Intrinsics;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Bench;

/// <summary>What the machine can do at most: fused multiply-adds from registers, and reading memory.</summary>
internal static unsafe class Floors
{
    /// <summary>The floating-point operations of one <see cref="MultiplyAdd"/> call on each worker.</summary>
    public const double OperationsPerWorker = 2.0 * 16 * 24 * Iterations;

    private const int Iterations = 200_000;

    /// <summary>Twenty-four independent chains of 16 lanes on every worker.</summary>
    public static void MultiplyAdd(WorkerPool pool)
    {
        MultiplyAddJob job = default;
        pool.For(ref job, pool.Count);
    }

    /// <summary>Reads <paramref name="bytes"/> bytes, in blocks that the workers claim.</summary>
    public static void Read(WorkerPool pool, byte* data, long bytes)
    {
        ReadJob job = new(data, bytes);
        pool.For(ref job, (int)((bytes + ReadJob.Block - 1) / ReadJob.Block));
    }

    private struct MultiplyAddJob : IParallelJob
    {
        public static float Sink;

        public readonly void Run(int begin, int end, int worker)
        {
            for (int item = begin; item < end; item++)
                Sink = Vector512.Sum(Chains(Vector512.Create(0.5f), Vector512.Create(1e-3f)));
        }

        private static Vector512<float> Chains(Vector512<float> a, Vector512<float> b)
        {
            Vector512<float> c0 = b, c1 = b, c2 = b, c3 = b, c4 = b, c5 = b, c6 = b, c7 = b, c8 = b, c9 = b, c10 = b, c11 = b;
            Vector512<float> d0 = b, d1 = b, d2 = b, d3 = b, d4 = b, d5 = b, d6 = b, d7 = b, d8 = b, d9 = b, d10 = b, d11 = b;
            for (int i = 0; i < Iterations; i++)
            {
                c0 = Vector512.FusedMultiplyAdd(a, c0, b);
                c1 = Vector512.FusedMultiplyAdd(a, c1, b);
                c2 = Vector512.FusedMultiplyAdd(a, c2, b);
                c3 = Vector512.FusedMultiplyAdd(a, c3, b);
                c4 = Vector512.FusedMultiplyAdd(a, c4, b);
                c5 = Vector512.FusedMultiplyAdd(a, c5, b);
                c6 = Vector512.FusedMultiplyAdd(a, c6, b);
                c7 = Vector512.FusedMultiplyAdd(a, c7, b);
                c8 = Vector512.FusedMultiplyAdd(a, c8, b);
                c9 = Vector512.FusedMultiplyAdd(a, c9, b);
                c10 = Vector512.FusedMultiplyAdd(a, c10, b);
                c11 = Vector512.FusedMultiplyAdd(a, c11, b);
                d0 = Vector512.FusedMultiplyAdd(a, d0, b);
                d1 = Vector512.FusedMultiplyAdd(a, d1, b);
                d2 = Vector512.FusedMultiplyAdd(a, d2, b);
                d3 = Vector512.FusedMultiplyAdd(a, d3, b);
                d4 = Vector512.FusedMultiplyAdd(a, d4, b);
                d5 = Vector512.FusedMultiplyAdd(a, d5, b);
                d6 = Vector512.FusedMultiplyAdd(a, d6, b);
                d7 = Vector512.FusedMultiplyAdd(a, d7, b);
                d8 = Vector512.FusedMultiplyAdd(a, d8, b);
                d9 = Vector512.FusedMultiplyAdd(a, d9, b);
                d10 = Vector512.FusedMultiplyAdd(a, d10, b);
                d11 = Vector512.FusedMultiplyAdd(a, d11, b);
            }
            return c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7 + c8 + c9 + c10 + c11 + d0 + d1 + d2 + d3 + d4 + d5 + d6 + d7 + d8 + d9 + d10 + d11;
        }
    }

    private readonly struct ReadJob(byte* data, long bytes) : IParallelJob
    {
        public const long Block = 1 << 18;

        private static long s_sink;

        public void Run(int begin, int end, int worker)
        {
            Vector512<long> a = default, b = default, c = default, d = default;
            byte* stop = data + Math.Min(end * Block, bytes / 256 * 256);
            for (byte* next = data + begin * Block; next < stop; next += 256)
            {
                a ^= Vector512.Load((long*)next);
                b ^= Vector512.Load((long*)(next + 64));
                c ^= Vector512.Load((long*)(next + 128));
                d ^= Vector512.Load((long*)(next + 192));
            }
            s_sink = Vector512.Sum(a ^ b ^ c ^ d);
        }
    }
}
