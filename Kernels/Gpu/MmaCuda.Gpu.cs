using System.Runtime.CompilerServices;
using ILGPU;
using ILGPU.Runtime.Cuda;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// mma.sync: bfloat16 from sm_80 on, E4M3 from sm_89 on (PTX ISA 8.4). NVIDIA does not say in which order a product's terms are added;
/// the sums are float32 and may be truncated rather than rounded. Those of E4M3 were found to keep 13 bits behind the leading one
/// (SageAttention2, arXiv:2411.10958), so that long sums of them are to be added elsewhere.
/// </summary>
internal readonly struct CudaMma : IMma
{
    public static ArrayView<uint> Scratch(ArrayView<uint> shared) => shared;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Accumulator BFloat16(Accumulator sums, Fragments low, Fragments high, FragmentB b, ArrayView<uint> scratch) =>
        BFloat16(BFloat16(sums, low, b, scratch), high, b, scratch);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Accumulator BFloat16(Accumulator sums, Fragments a, FragmentB b, ArrayView<uint> scratch)
    {
        Ref<float> d0 = sums.X, d1 = sums.Y, d2 = sums.Z, d3 = sums.W;
        Input<uint> a0 = a.R0, a1 = a.R1, a2 = a.R2, a3 = a.R3, b0 = b.R0, b1 = b.R1;
        CudaAsm.EmitRef(
            "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};",
            ref d0, ref d1, ref d2, ref d3, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1);
        return new Accumulator { X = d0.Value, Y = d1.Value, Z = d2.Value, W = d3.Value };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Accumulator Float8(Accumulator sums, Fragments a, FragmentB b, ArrayView<uint> scratch)
    {
        Ref<float> d0 = sums.X, d1 = sums.Y, d2 = sums.Z, d3 = sums.W;
        Input<uint> a0 = a.R0, a1 = a.R1, a2 = a.R2, a3 = a.R3, b0 = b.R0, b1 = b.R1;
        CudaAsm.EmitRef(
            "mma.sync.aligned.m16n8k32.row.col.f32.e4m3.e4m3.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};",
            ref d0, ref d1, ref d2, ref d3, ref a0, ref a1, ref a2, ref a3, ref b0, ref b1);
        return new Accumulator { X = d0.Value, Y = d1.Value, Z = d2.Value, W = d3.Value };
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Pack(float low, float high)
    {
        CudaAsm.Emit("cvt.rn.bf16x2.f32 %0, %1, %2;", out uint packed, high, low);
        return packed;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static uint Widen(uint codes)
    {
        // The exponent is 120 too small in bfloat16's places; the multiplication by 2¹²⁰ (plus −0) makes subnormals right too.
        uint small = ((codes & 0x00800080u) << 8) | ((codes & 0x007F007Fu) << 4);
        CudaAsm.Emit(
            "{ .reg .b32 factor, zero; mov.b32 factor, 0x7B807B80; mov.b32 zero, 0x80008000; fma.rn.bf16x2 %0, %1, factor, zero; }",
            out uint wide, small);
        return wide;
    }
}

/// <summary>cp.async and ldmatrix, from sm_80 on. The shared memory is the dynamic one: its address has a name.</summary>
internal readonly struct CudaTiles : ITiles
{
    public static ArrayView<uint> Allocate() => SharedMemory.GetDynamic<Chunk>().Cast<uint>();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Copy(ArrayView<uint> shared, int place, ArrayView<uint> source, long address, long index, bool inside)
    {
        CudaAsm.Emit("mov.u32 %0, __dyn_shared_alloca;", out uint origin);
        // Sixteen bytes of memory, of which none are read where zeros are wanted.
        uint bytes = inside ? 16u : 0u;
        CudaAsm.Emit("cp.async.cg.shared.global [%0], [%1], 16, %2;", origin + (uint)place * 4u, address + index * 4L, bytes);
    }

    public static void Commit() => CudaAsm.Emit("cp.async.commit_group;");

    public static void WaitAll() => CudaAsm.Emit("cp.async.wait_group 0;");

    public static void WaitAllButLast() => CudaAsm.Emit("cp.async.wait_group 1;");

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Fragments Load(ArrayView<uint> shared, int origin, int stride, int odd, int upper)
    {
        // Lane l gives the address of row l mod 8 of matrix l / 8.
        int lane = Group.IdxX % 32;
        int place = origin + lane % 8 * stride + lane / 8 % 2 * odd + lane / 16 * upper;
        CudaAsm.Emit("mov.u32 %0, __dyn_shared_alloca;", out uint start);
        Input<uint> address = start + (uint)place * 4u;
        Output<uint> r0 = default, r1 = default, r2 = default, r3 = default;
        CudaAsm.EmitRef(
            "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];", ref r0, ref r1, ref r2, ref r3, ref address);
        return new Fragments { R0 = r0.Value, R1 = r1.Value, R2 = r2.Value, R3 = r3.Value };
    }

    /// <summary>Sixteen bytes, to which the memory is aligned for it.</summary>
    internal struct Chunk
    {
        public uint A;
        public uint B;
        public uint C;
        public uint D;
    }
}
