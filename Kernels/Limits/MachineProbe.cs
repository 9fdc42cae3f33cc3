using System.Runtime.CompilerServices;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// Work that nothing can do faster: fused multiply-adds on registers, and reading memory. Timed in turns with a kernel, it
/// says how much of the machine the kernel uses.
/// </summary>
/// <param name="pool">The threads.</param>
/// <param name="width">The vectors.</param>
public sealed unsafe class MachineProbe(WorkerPool pool, VectorWidth width = VectorWidth.Auto)
{
    private const int Multiplications = 1 << 20;
    private const long PieceBytes = 1 << 18;

    private readonly VectorWidth _width = width == VectorWidth.Auto ? Processor.WidestVectors : width;

    // A line of memory for each worker: results that are stored must be computed.
    private readonly float[] _sinks = new float[pool.Count * 16];

    /// <summary>The floating-point operations of <see cref="MultiplyAdd"/>, of all workers.</summary>
    public double Operations => 2.0 * 16 * Multiplications * pool.Count * _width switch
    {
        VectorWidth.V512 => MultiplyJob<Lanes512>.Chains,
        VectorWidth.V256 => MultiplyJob<Lanes256>.Chains,
        VectorWidth.V128 => MultiplyJob<Lanes128>.Chains,
        _ => MultiplyJob<LanesScalar>.Chains,
    };

    /// <summary>Multiplies and adds on all workers, a millisecond or so.</summary>
    public void MultiplyAdd()
    {
        fixed (float* sinks = _sinks)
        {
            switch (_width)
            {
                case VectorWidth.V512:
                    Run(new MultiplyJob<Lanes512>(sinks), pool.Count);
                    break;
                case VectorWidth.V256:
                    Run(new MultiplyJob<Lanes256>(sinks), pool.Count);
                    break;
                case VectorWidth.V128:
                    Run(new MultiplyJob<Lanes128>(sinks), pool.Count);
                    break;
                default:
                    Run(new MultiplyJob<LanesScalar>(sinks), pool.Count);
                    break;
            }
        }
    }

    /// <summary>Reads memory, in pieces that the workers claim.</summary>
    /// <param name="data">The first byte.</param>
    /// <param name="bytes">How many; whole vectors are read.</param>
    public void Read(byte* data, long bytes)
    {
        int pieces = checked((int)((bytes + PieceBytes - 1) / PieceBytes));
        fixed (float* sinks = _sinks)
        {
            switch (_width)
            {
                case VectorWidth.V512:
                    Run(new ReadJob<Lanes512>(data, bytes, sinks), pieces);
                    break;
                case VectorWidth.V256:
                    Run(new ReadJob<Lanes256>(data, bytes, sinks), pieces);
                    break;
                case VectorWidth.V128:
                    Run(new ReadJob<Lanes128>(data, bytes, sinks), pieces);
                    break;
                default:
                    Run(new ReadJob<LanesScalar>(data, bytes, sinks), pieces);
                    break;
            }
        }
    }

    private void Run<TJob>(TJob job, int items) where TJob : struct, IParallelJob => pool.For(ref job, items);

    private readonly struct ReadJob<T>(byte* data, long bytes, float* sinks) : IParallelJob where T : struct, ILanes<T>
    {
        public void Run(int begin, int end, int worker)
        {
            T a = T.Zero, b = T.Zero, c = T.Zero, d = T.Zero;
            float* last = (float*)(data + Math.Min(end * PieceBytes, bytes / 256 * 256));
            for (float* p = (float*)(data + begin * PieceBytes); p < last; p += 64)
            {
                a += T.Load(p);
                b += T.Load(p + 16);
                c += T.Load(p + 32);
                d += T.Load(p + 48);
            }
            T.Store(a + b + (c + d), sinks + worker * 16);
        }
    }

    private readonly struct MultiplyJob<T>(float* sinks) : IParallelJob where T : struct, ILanes<T>
    {
        /// <summary>Independent chains: as many as there are registers for, up to what hides an FMA's latency.</summary>
        public static int Chains
        {
            // A call here, or a branch that is not decided at compile time, would push the chains out of the registers.
            [MethodImpl(MethodImplOptions.AggressiveInlining)]
            get => T.Accumulators >= 12 ? 12 : T.Accumulators >= 6 ? 6 : 3;
        }

        public void Run(int begin, int end, int worker)
        {
            for (int i = begin; i < end; i++)
                Multiply(sinks + worker * 16);
        }

        private static void Multiply(float* sink)
        {
            T x = T.Broadcast(0.999f), y = T.Broadcast(1e-3f);
            T a0 = x, a1 = x, a2 = x, a3 = x, a4 = x, a5 = x, a6 = x, a7 = x, a8 = x, a9 = x, a10 = x, a11 = x;
            for (int i = 0; i < Multiplications; i++)
            {
                a0 = T.FusedMultiplyAdd(a0, x, y);
                a1 = T.FusedMultiplyAdd(a1, x, y);
                a2 = T.FusedMultiplyAdd(a2, x, y);
                if (Chains >= 6)
                {
                    a3 = T.FusedMultiplyAdd(a3, x, y);
                    a4 = T.FusedMultiplyAdd(a4, x, y);
                    a5 = T.FusedMultiplyAdd(a5, x, y);
                }
                if (Chains >= 12)
                {
                    a6 = T.FusedMultiplyAdd(a6, x, y);
                    a7 = T.FusedMultiplyAdd(a7, x, y);
                    a8 = T.FusedMultiplyAdd(a8, x, y);
                    a9 = T.FusedMultiplyAdd(a9, x, y);
                    a10 = T.FusedMultiplyAdd(a10, x, y);
                    a11 = T.FusedMultiplyAdd(a11, x, y);
                }
            }
            T.Store(a0 + a1 + a2 + (a3 + a4 + a5) + (a6 + a7 + a8) + (a9 + a10 + a11), sink);
        }
    }
}
