using System.Diagnostics;
using System.Runtime.CompilerServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Cli;

/// <summary>What the machine can do at best with these threads and vectors, measured.</summary>
/// <param name="ReadBytesPerSecond">Reading memory once from front to back.</param>
/// <param name="FlopsPerSecond">Fused multiply-adds on registers, two operations each.</param>
internal readonly record struct MachineLimits(double ReadBytesPerSecond, double FlopsPerSecond);

/// <summary>
/// Measures <see cref="MachineLimits"/>, each the second best of a few tries: noise slows down, and a clock that jumps makes
/// one try look too good.
/// </summary>
internal static unsafe class BenchMachine
{
    private const int Tries = 5;
    private const int PieceBytes = 1 << 20;
    private const int Multiplications = 1 << 18;

    /// <summary>Measures with a buffer of so many bytes, which should be well over what caches hold.</summary>
    public static MachineLimits Measure(int threads, VectorWidth width, long bufferBytes)
    {
        using WorkerPool pool = new(threads);
        using NativeBuffer buffer = new(bufferBytes / PieceBytes * PieceBytes);
        return (width == VectorWidth.Auto ? Processor.WidestVectors : width) switch
        {
            VectorWidth.V512 => Measure<Lanes512>(pool, buffer),
            VectorWidth.V256 => Measure<Lanes256>(pool, buffer),
            VectorWidth.V128 => Measure<Lanes128>(pool, buffer),
            _ => Measure<LanesScalar>(pool, buffer),
        };
    }

    private static MachineLimits Measure<TLanes>(WorkerPool pool, NativeBuffer buffer) where TLanes : struct, ILanes<TLanes>
    {
        double[] sinks = new double[pool.Count * 8];
        fixed (double* sink = sinks)
        {
            TimeSpan[] read = new TimeSpan[Tries], multiply = new TimeSpan[Tries];
            int pieces = (int)(buffer.ByteLength / PieceBytes), parts = pool.Count * 4;
            for (int i = 0; i < Tries; i++)
            {
                ReadJob<TLanes> reading = new(buffer.Pointer, sink);
                long start = Stopwatch.GetTimestamp();
                pool.For(ref reading, pieces);
                read[i] = Stopwatch.GetElapsedTime(start);
                MultiplyJob<TLanes> multiplying = new(sink);
                start = Stopwatch.GetTimestamp();
                pool.For(ref multiplying, parts);
                multiply[i] = Stopwatch.GetElapsedTime(start);
            }
            double operations = 2.0 * 16 * MultiplyJob<TLanes>.Chains * Multiplications * parts;
            return new MachineLimits(buffer.ByteLength / SecondBest(read), operations / SecondBest(multiply));
        }
    }

    private static double SecondBest(TimeSpan[] times) => times.Order().ElementAt(1).TotalSeconds;

    private readonly struct ReadJob<TLanes>(byte* data, double* sinks) : IParallelJob where TLanes : struct, ILanes<TLanes>
    {
        public void Run(int begin, int end, int worker)
        {
            TLanes a = TLanes.Zero, b = TLanes.Zero, c = TLanes.Zero, d = TLanes.Zero;
            float* last = (float*)(data + (long)end * PieceBytes);
            for (float* p = (float*)(data + (long)begin * PieceBytes); p < last; p += 64)
            {
                a += TLanes.Load(p);
                b += TLanes.Load(p + 16);
                c += TLanes.Load(p + 32);
                d += TLanes.Load(p + 48);
            }
            float* sum = stackalloc float[16];
            TLanes.Store(a + b + (c + d), sum);
            sinks[worker * 8] += sum[0];
        }
    }

    private readonly struct MultiplyJob<TLanes>(double* sinks) : IParallelJob where TLanes : struct, ILanes<TLanes>
    {
        /// <summary>Independent chains: as many as there are registers for, up to what hides an FMA's latency.</summary>
        public static int Chains
        {
            // A call here, or a branch that is not decided at compile time, would push the chains out of the registers.
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => TLanes.Accumulators >= 12 ? 12 : TLanes.Accumulators >= 6 ? 6 : 3;
        }

        public void Run(int begin, int end, int worker)
        {
            for (int i = begin; i < end; i++)
                sinks[worker * 8] += Chain();
        }

        private static float Chain()
        {
            TLanes x = TLanes.Broadcast(0.999f), y = TLanes.Broadcast(1e-3f);
            TLanes a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x, a10 = x, a11 = x;
            for (int i = 0; i < Multiplications; i++)
            {
                a0 = TLanes.FusedMultiplyAdd(a0, x, y);
                a1 = TLanes.FusedMultiplyAdd(a1, x, y);
                a2 = TLanes.FusedMultiplyAdd(a2, x, y);
                if (Chains >= 6)
                {
                    a3 = TLanes.FusedMultiplyAdd(a3, x, y);
                    a4 = TLanes.FusedMultiplyAdd(a4, x, y);
                    a5 = TLanes.FusedMultiplyAdd(a5, x, y);
                }
                if (Chains >= 12)
                {
                    a6 = TLanes.FusedMultiplyAdd(a6, x, y);
                    a7 = TLanes.FusedMultiplyAdd(a7, x, y);
                    a8 = TLanes.FusedMultiplyAdd(a8, x, y);
                    a9 = TLanes.FusedMultiplyAdd(a9, x, y);
                    a10 = TLanes.FusedMultiplyAdd(a10, x, y);
                    a11 = TLanes.FusedMultiplyAdd(a11, x, y);
                }
            }
            float* sum = stackalloc float[16];
            TLanes.Store(a0 + a1 + a2 + (a3 + a4 + a5) + (a6 + a7 + a8) + (a9 + a10 + a11), sum);
            return sum[0];
        }
    }
}
