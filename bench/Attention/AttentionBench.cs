using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Bench;

/// <summary>
/// Attention in Mellum 2's shape (32 query heads, 4 KV heads, head_dim 128): prefill as a share of the FP32 peak and
/// decoding as a share of a plain read of the same bytes, both measured in turns with it in the same run. The best round
/// counts, since other processes only ever make one slower.
/// </summary>
public static unsafe class AttentionBench
{
    private const int Heads = 32, KvHeads = 4, Dimension = 128, Layers = 8, Rounds = 15;

    /// <summary>Runs the benchmark and prints one line for each case.</summary>
    public static void Run()
    {
        foreach (int threads in new[] { 1, 2 })
        {
            using WorkerPool pool = new(threads);
            foreach (DType format in new[] { DType.F32, DType.BF16 })
            {
                switch (Processor.WidestVectors)
                {
                    case VectorWidth.V512:
                        Run(new SimdKernels<Lanes512>(pool), pool, format);
                        Run(new SimdKernels<Lanes256>(pool), pool, format);
                        break;
                    case VectorWidth.V256:
                        Run(new SimdKernels<Lanes256>(pool), pool, format);
                        break;
                    default:
                        Run(new SimdKernels<Lanes128>(pool), pool, format);
                        break;
                }
            }
        }
    }

    private static void Run<TLanes>(SimdKernels<TLanes> kernels, WorkerPool pool, DType format) where TLanes : struct, ILanes<TLanes>
    {
        foreach ((int rows, int position, int window) in new[] { (512, 0, 0), (512, 3584, 1024), (1, 8191, 0), (1, 2047, 0), (2, 8190, 0), (4, 8188, 0) })
        {
            // One cache after the other, as a model's layers are: decoding finds none of them in the processor's caches.
            KvLayer[] layers = new KvLayer[rows == 1 ? Layers : 1];
            using Tensor q = Filled(rows, Heads * Dimension), y = Tensor.Allocate(DType.F32, new Shape(rows, Heads * Dimension));
            using Tensor kv = Filled(position + rows, KvHeads * Dimension);
            for (int i = 0; i < layers.Length; i++)
            {
                layers[i] = new KvLayer(KvHeads, Dimension, format, position + rows);
                kernels.AppendKeyValues(kv, kv, new SequenceRows(0, position + rows, 0), layers[i]);
            }
            SequenceRows part = new(0, rows, position);
            AttentionParameters parameters = new(Heads, window, 1 / MathF.Sqrt(Dimension));
            double pairs = 0;
            for (int p = position; p < position + rows; p++)
                pairs += window == 0 ? p + 1 : Math.Min(window, p + 1);
            double operations = 4 * pairs * Heads * Dimension, peak = 0, attention = double.MaxValue, read = double.MaxValue;
            for (int round = 0; round < Rounds; round++)
            {
                peak = Math.Max(peak, Peak<TLanes>(pool));
                foreach (KvLayer cache in layers)
                    attention = Math.Min(attention, Time(pool, () => kernels.Attention(q, part, cache, parameters, y)));
                foreach (KvLayer cache in layers)
                    read = Math.Min(read, Time(pool, () => Read<TLanes>(pool, cache)));
            }
            double rate = operations / attention, bytes = layers[0].ByteLength;
            string memory = rows == 1 ? $"; {bytes / attention / 1e9:F1} GB/s = {read / attention:P0} of a plain read" : "";
            Console.WriteLine(
                $"{kernels.Description}, cache {format}, {rows} rows at {position}, window {window}: {attention * 1e6:F0} us, "
                + $"{rate / 1e9:F0} GFLOP/s = {rate / peak:P0} of {peak / 1e9:F0}{memory}");
            foreach (KvLayer cache in layers)
                cache.Dispose();
        }
    }

    private static Tensor Filled(int rows, int columns)
    {
        Tensor tensor = Tensor.Allocate(DType.F32, new Shape(rows, columns));
        for (long i = 0; i < tensor.Count; i++)
            tensor.Pointer<float>()[i] = (float)Philox.Normal(1, (ulong)i, 0);
        return tensor;
    }

    // One thread is timed by its own clock, which stands still while another process has the core.
    private static double Time(WorkerPool pool, Action action)
    {
        double start = Now(pool);
        action();
        return Now(pool) - start;
    }

    private static double Now(WorkerPool pool)
    {
        if (pool.Count > 1 || !OperatingSystem.IsLinux())
            return Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
        long* time = stackalloc long[2];
        return ClockGetTime(ThreadClock, time) == 0 ? time[0] + time[1] * 1e-9 : double.NaN;
    }

    // CLOCK_THREAD_CPUTIME_ID.
    private const int ThreadClock = 3;

    [DllImport("libc", EntryPoint = "clock_gettime")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int ClockGetTime(int clock, long* time);

    private static double Peak<TLanes>(WorkerPool pool) where TLanes : struct, ILanes<TLanes>
    {
        PeakJob<TLanes> job = default;
        double seconds = Time(pool, () => { PeakJob<TLanes> local = job; pool.For(ref local, 16 * pool.Count); });
        return 16.0 * pool.Count * PeakJob<TLanes>.Count * PeakJob<TLanes>.Chains * 32 / seconds;
    }

    private static void Read<TLanes>(WorkerPool pool, KvLayer cache) where TLanes : struct, ILanes<TLanes>
    {
        ReadJob<TLanes> job = new() { A = (float*)cache.Keys.Data, B = (float*)cache.Values.Data };
        pool.For(ref job, (int)(cache.Keys.ByteLength / ReadJob<TLanes>.BlockBytes), 4);
    }

    // Chains of multiply-adds, as many as hide the latency and fit into the registers.
    private readonly struct PeakJob<TLanes> : IParallelJob where TLanes : struct, ILanes<TLanes>
    {
        public const int Count = 10000, Chains = 20;

        [MethodImpl(MethodImplOptions.NoInlining)]
        public void Run(int begin, int end, int worker)
        {
            TLanes sum = TLanes.Zero;
            for (int item = begin; item < end; item++)
                sum += TLanes.Accumulators >= 20 ? Ten(2 * Count) : Five(4 * Count);
            GC.KeepAlive(TLanes.Sum(sum));
        }

        private static TLanes Ten(int count)
        {
            TLanes x = TLanes.Broadcast(0.5f), a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x;
            for (int n = 0; n < count; n++)
            {
                a = TLanes.FusedMultiplyAdd(a, x, x);
                b = TLanes.FusedMultiplyAdd(b, x, x);
                c = TLanes.FusedMultiplyAdd(c, x, x);
                d = TLanes.FusedMultiplyAdd(d, x, x);
                e = TLanes.FusedMultiplyAdd(e, x, x);
                f = TLanes.FusedMultiplyAdd(f, x, x);
                g = TLanes.FusedMultiplyAdd(g, x, x);
                h = TLanes.FusedMultiplyAdd(h, x, x);
                i = TLanes.FusedMultiplyAdd(i, x, x);
                j = TLanes.FusedMultiplyAdd(j, x, x);
            }
            return a + b + c + d + e + f + g + h + i + j;
        }

        private static TLanes Five(int count)
        {
            TLanes x = TLanes.Broadcast(0.5f), a = x, b = x, c = x, d = x, e = x;
            for (int n = 0; n < count; n++)
            {
                a = TLanes.FusedMultiplyAdd(a, x, x);
                b = TLanes.FusedMultiplyAdd(b, x, x);
                c = TLanes.FusedMultiplyAdd(c, x, x);
                d = TLanes.FusedMultiplyAdd(d, x, x);
                e = TLanes.FusedMultiplyAdd(e, x, x);
            }
            return a + b + c + d + e;
        }
    }

    private struct ReadJob<TLanes> : IParallelJob where TLanes : struct, ILanes<TLanes>
    {
        public const int BlockBytes = 16384;
        public float* A;
        public float* B;

        public readonly void Run(int begin, int end, int worker)
        {
            TLanes sum = TLanes.Zero;
            foreach (nint start in stackalloc[] { (nint)A, (nint)B })
                for (long i = (long)begin * BlockBytes; i < (long)end * BlockBytes; i += 256)
                    sum += TLanes.Max(
                        TLanes.Max(TLanes.Load((float*)(start + i)), TLanes.Load((float*)(start + i + 64))),
                        TLanes.Max(TLanes.Load((float*)(start + i + 128)), TLanes.Load((float*)(start + i + 192))));
            GC.KeepAlive(TLanes.Sum(sum));
        }
    }
}
