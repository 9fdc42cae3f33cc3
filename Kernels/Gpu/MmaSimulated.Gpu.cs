using ILGPU;

namespace Mellum2.Managed.Kernels;

/// <summary>
/// <see cref="CudaMma"/> in C#: every lane holds the same words, so that a kernel's layouts can be tested without a GPU. The
/// terms of a product are added one after the other. Groups have up to eight warps, each with its own part of the scratch.
/// </summary>
internal readonly struct SimulatedMma : IMma
{
    private const int MostWarps = 8;
    private const int Lanes = 32;
    private const int WordsA = 4 * Lanes;

    // Two left operands and a right one.
    private const int Words = 2 * WordsA + 2 * Lanes;

    public static ArrayView<uint> Scratch(ArrayView<uint> shared) => SharedMemory.Allocate<uint>(MostWarps * Words);

    public static Accumulator BFloat16(Accumulator sums, Fragments low, Fragments high, FragmentB b, ArrayView<uint> scratch)
    {
        int own = Group.IdxX / Lanes * Words, lane = Group.IdxX % Lanes, row = lane / 4, column = lane % 4 * 2;
        Keep(scratch, own + lane * 4, low);
        Keep(scratch, own + WordsA + lane * 4, high);
        Keep(scratch, own + 2 * WordsA + lane * 2, b);
        Group.Barrier();
        for (int operand = own; operand < own + 2 * WordsA; operand += WordsA)
        {
            sums.X += BFloat16Dot(scratch, operand, row, 0, own, column);
            sums.Y += BFloat16Dot(scratch, operand, row, 0, own, column + 1);
            sums.Z += BFloat16Dot(scratch, operand, row, 1, own, column);
            sums.W += BFloat16Dot(scratch, operand, row, 1, own, column + 1);
        }
        Group.Barrier();
        return sums;
    }

    public static Accumulator BFloat16(Accumulator sums, Fragments a, FragmentB b, ArrayView<uint> scratch)
    {
        int own = Group.IdxX / Lanes * Words, lane = Group.IdxX % Lanes, row = lane / 4, column = lane % 4 * 2;
        Keep(scratch, own + lane * 4, a);
        Keep(scratch, own + 2 * WordsA + lane * 2, b);
        Group.Barrier();
        sums.X += BFloat16Dot(scratch, own, row, 0, own, column);
        sums.Y += BFloat16Dot(scratch, own, row, 0, own, column + 1);
        sums.Z += BFloat16Dot(scratch, own, row, 1, own, column);
        sums.W += BFloat16Dot(scratch, own, row, 1, own, column + 1);
        Group.Barrier();
        return sums;
    }

    public static Accumulator Float8(Accumulator sums, Fragments a, FragmentB b, ArrayView<uint> scratch)
    {
        int own = Group.IdxX / Lanes * Words, lane = Group.IdxX % Lanes, row = lane / 4, column = lane % 4 * 2;
        Keep(scratch, own + lane * 4, a);
        Keep(scratch, own + 2 * WordsA + lane * 2, b);
        Group.Barrier();
        sums.X += Float8Dot(scratch, own, row, 0, column);
        sums.Y += Float8Dot(scratch, own, row, 0, column + 1);
        sums.Z += Float8Dot(scratch, own, row, 1, column);
        sums.W += Float8Dot(scratch, own, row, 1, column + 1);
        Group.Barrier();
        return sums;
    }

    public static uint Pack(float low, float high) => DeviceMath.BFloat16Bits(low) | (DeviceMath.BFloat16Bits(high) << 16);

    public static uint Widen(uint codes) =>
        (Interop.FloatAsInt(Float8Word.Decode(codes, 0)) >> 16) | (Interop.FloatAsInt(Float8Word.Decode(codes, 2)) & 0xFFFF0000u);

    // Register r of lane l is at 4·l + r; those of the right operand, which has two, at 2·l + r.
    private static void Keep(ArrayView<uint> scratch, int place, Fragments a)
    {
        scratch[place] = a.R0;
        scratch[place + 1] = a.R1;
        scratch[place + 2] = a.R2;
        scratch[place + 3] = a.R3;
    }

    private static void Keep(ArrayView<uint> scratch, int place, FragmentB b)
    {
        scratch[place] = b.R0;
        scratch[place + 1] = b.R1;
    }

    // Register 0 or 1 of a lane has its first columns for rows g and g + 8, registers 2 and 3 the second ones.
    private static float BFloat16Dot(ArrayView<uint> scratch, int operand, int row, int lower, int own, int column)
    {
        float sum = 0;
        for (int half = 0; half < 2; half++)
        {
            for (int t = 0; t < 4; t++)
            {
                uint a = scratch[operand + (row * 4 + t) * 4 + half * 2 + lower];
                uint b = scratch[own + 2 * WordsA + (column * 4 + t) * 2 + half];
                sum = BFloat16Word.Decode(a, 0) * BFloat16Word.Decode(b, 0) + sum;
                sum = BFloat16Word.Decode(a, 1) * BFloat16Word.Decode(b, 1) + sum;
            }
        }
        return sum;
    }

    private static float Float8Dot(ArrayView<uint> scratch, int own, int row, int lower, int column)
    {
        float sum = 0;
        for (int half = 0; half < 2; half++)
        {
            for (int t = 0; t < 4; t++)
            {
                uint a = scratch[own + (row * 4 + t) * 4 + half * 2 + lower];
                uint b = scratch[own + 2 * WordsA + (column * 4 + t) * 2 + half];
                for (int i = 0; i < 4; i++)
                    sum = Float8Word.Decode(a, i) * Float8Word.Decode(b, i) + sum;
            }
        }
        return sum;
    }
}

/// <summary>Plain loads and stores; a copy is done when it returns.</summary>
internal readonly struct PlainTiles : ITiles
{
    // Of a fixed size: ILGPU 1.5.3 writes OpenCL that does not compile where the dynamic shared memory has a type of its own.
    public static ArrayView<uint> Allocate() => SharedMemory.Allocate<uint>(ITiles.MostWords);

    public static void Copy(ArrayView<uint> shared, int place, ArrayView<uint> source, long address, long index, bool inside)
    {
        for (int i = 0; i < 4; i++)
            shared[place + i] = inside ? source[index + i] : 0u;
    }

    public static void Commit()
    {
    }

    public static void WaitAll()
    {
    }

    public static void WaitAllButLast()
    {
    }

    public static Fragments Load(ArrayView<uint> shared, int origin, int stride, int odd, int upper)
    {
        int lane = Group.IdxX % 32, place = origin + lane / 4 * stride + lane % 4;
        return new Fragments
        {
            R0 = shared[place],
            R1 = shared[place + odd],
            R2 = shared[place + upper],
            R3 = shared[place + odd + upper],
        };
    }
}
