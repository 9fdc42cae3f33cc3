using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // A thread for each value of a digit of 8 bits.
    private const int CandidateThreads = 256;
    private const int DigitBits = 8;

    // The keys of NaN and of the smallest finite number.
    private const uint NaNKey = 0xFFFFFFFFu;
    private const uint LeastKey = 0x00800000u;

    private readonly GpuKernel<TopCandidatesArguments> _topCandidates = new("TopCandidates", TopCandidatesKernel);
    private readonly GpuKernel<TakeOutArguments> _takeOut = new("TakeOut", TakeOutKernel);

    /// <inheritdoc/>
    public void TopCandidates(Tensor logits, int k, Tensor values, Tensor numbers)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(k, Candidates.MostTopK);
        TopCandidatesArguments arguments = new()
        {
            Logits = logits.View<float>(),
            Values = values.View<float>(),
            Numbers = numbers.View<int>(),
            Width = logits.Columns,
            K = k,
        };
        _topCandidates.Run(_device, logits.Rows, 1, CandidateThreads, arguments);
    }

    /// <inheritdoc/>
    public void TakeOut(Tensor row, Tensor ids, Tensor taken)
    {
        TakeOutArguments arguments = new() { Row = row.View<float>(), Ids = ids.View<int>(), Taken = taken.View<float>() };
        _takeOut.Run(_device, Groups(ids.Count), 1, Threads, arguments);
    }

    /// <summary>
    /// One group for each row. The k-th largest key is found digit by digit from the counts of each digit's values (whole numbers, so
    /// that the order of the atomics does not matter); what is not below it is collected and put where its rank says.
    /// </summary>
    private static void TopCandidatesKernel(TopCandidatesArguments a)
    {
        ArrayView<int> counts = SharedMemory.Allocate<int>(CandidateThreads);
        ArrayView<uint> keys = SharedMemory.Allocate<uint>(Candidates.Room);
        ArrayView<int> tokens = SharedMemory.Allocate<int>(Candidates.Room);
        ArrayView<int> collected = SharedMemory.Allocate<int>(1);
        ArrayView<float> row = a.Logits.SubView((long)Grid.IdxX * a.Width, a.Width);
        int t = Group.IdxX, left = a.K;
        uint least = 0;
        for (int shift = 32 - DigitBits; shift >= 0; shift -= DigitBits)
        {
            counts[t] = 0;
            Group.Barrier();
            for (int i = t; i < a.Width; i += CandidateThreads)
            {
                uint shifted = CandidateKey(row[i]) >> shift;
                if (shifted >> DigitBits == least)
                    Atomic.Add(ref counts[(int)(shifted & (CandidateThreads - 1))], 1);
            }
            Group.Barrier();
            int digit = CandidateThreads - 1;
            for (; digit > 0 && counts[digit] < left; digit--)
                left -= counts[digit];
            least = (least << DigitBits) | (uint)digit;
            Group.Barrier();
        }
        least = least < LeastKey ? LeastKey : least;
        if (t == 0)
            collected[0] = 0;
        // A NaN may lie above more candidates than there is room for: it is looked for in the whole row.
        counts[t] = 0;
        Group.Barrier();
        for (int i = t; i < a.Width; i += CandidateThreads)
        {
            uint key = CandidateKey(row[i]);
            if (key < least)
                continue;
            int place = Atomic.Add(ref collected[0], 1);
            if (place < Candidates.Room)
            {
                keys[place] = key;
                tokens[place] = i;
            }
            if (key == NaNKey)
                counts[0] = 1;
        }
        Group.Barrier();
        int count = collected[0] > Candidates.Room || counts[0] != 0 ? -1 : collected[0];
        long numbers = (long)Grid.IdxX * (1 + Candidates.Room), values = (long)Grid.IdxX * Candidates.Room;
        if (t == 0)
            a.Numbers[numbers] = count;
        for (int i = t; i < count; i += CandidateThreads)
        {
            int rank = 0;
            for (int j = 0; j < count; j++)
                rank += keys[j] > keys[i] || (keys[j] == keys[i] && tokens[j] < tokens[i]) ? 1 : 0;
            a.Numbers[numbers + 1 + rank] = tokens[i];
            a.Values[values + rank] = row[tokens[i]];
        }
    }

    /// <summary>One thread for each place of a token.</summary>
    private static void TakeOutKernel(TakeOutArguments a)
    {
        int i = Grid.IdxX * Threads + Group.IdxX;
        if (i >= a.Ids.Length)
            return;
        int id = a.Ids[i];
        if (id < 0)
            return;
        a.Taken[i] = a.Row[id];
        a.Row[id] = float.NegativeInfinity;
    }

    /// <summary>A number that grows with the value, equal for both zeros, with NaN above everything.</summary>
    private static uint CandidateKey(float value)
    {
        uint bits = value == 0f ? 0u : Interop.FloatAsInt(value);
        if ((bits & 0x7FFFFFFFu) > 0x7F800000u)
            return NaNKey;
        return (bits & 0x80000000u) != 0 ? ~bits : bits | 0x80000000u;
    }

    internal struct TopCandidatesArguments
    {
        public ArrayView<float> Logits;
        public ArrayView<float> Values;
        public ArrayView<int> Numbers;
        public int Width;
        public int K;
    }

    internal struct TakeOutArguments
    {
        public ArrayView<float> Row;
        public ArrayView<int> Ids;
        public ArrayView<float> Taken;
    }
}
