using System.Numerics;
using System.Runtime.Intrinsics;

namespace Mellum2.Managed.Kernels;

/// <summary>The loops under <see cref="SamplerDistribution"/>. All give the same bits on every machine.</summary>
internal static class SamplingMath
{
    /// <summary>The largest entry and the first place where it stands; place −1 if an entry is NaN.</summary>
    public static int ArgMax<T>(ReadOnlySpan<T> x) where T : struct, IFloatingPointIeee754<T>
    {
        T largest = T.NegativeInfinity;
        bool hasNaN = false;
        int i = 0;
        if (Vector.IsHardwareAccelerated && x.Length >= Vector<T>.Count)
        {
            Vector<T> max = new(x), ordered = Vector<T>.AllBitsSet;
            for (; i <= x.Length - Vector<T>.Count; i += Vector<T>.Count)
            {
                Vector<T> v = new(x[i..]);
                ordered &= Vector.Equals(v, v);
                max = Vector.ConditionalSelect(Vector.GreaterThan(v, max), v, max);
            }
            hasNaN = !Vector.EqualsAll(ordered.As<T, byte>(), Vector<byte>.AllBitsSet);
            for (int lane = 0; lane < Vector<T>.Count; lane++) largest = max[lane] > largest ? max[lane] : largest;
        }
        for (; i < x.Length; i++)
        {
            hasNaN |= T.IsNaN(x[i]);
            if (x[i] > largest) largest = x[i];
        }
        return hasNaN ? -1 : IndexOf(x, largest);
    }

    private static int IndexOf<T>(ReadOnlySpan<T> x, T value) where T : struct, IFloatingPointIeee754<T>
    {
        int i = 0;
        Vector<T> wanted = new(value);
        while (i <= x.Length - Vector<T>.Count && !Vector.EqualsAny(new Vector<T>(x[i..]), wanted)) i += Vector<T>.Count;
        while (x[i] != value) i++;
        return i;
    }

    /// <summary>
    /// w[i] = e^{(z[i] − top) / temperature} and Σ w. Relative error below 2⁻⁵⁰; 0 where the exponent is below −708.
    /// The sum has four lanes (i mod 4) and ends as (0 + 2) + (1 + 3), whatever the machine's width.
    /// </summary>
    public static double Weights(ReadOnlySpan<double> z, double top, double temperature, Span<double> w)
    {
        Vector256<double> sum = Vector256<double>.Zero;
        int i = 0;
        for (; i <= z.Length - 4; i += 4)
        {
            Vector256<double> e = Exp((Vector256.Create(z[i..]) - Vector256.Create(top)) / Vector256.Create(temperature));
            e.CopyTo(w[i..]);
            sum += e;
        }
        if (i < z.Length)
        {
            Span<double> tail = [double.NegativeInfinity, double.NegativeInfinity, double.NegativeInfinity, double.NegativeInfinity];
            z[i..].CopyTo(tail);
            Vector256<double> e = Exp((Vector256.Create<double>(tail) - Vector256.Create(top)) / Vector256.Create(temperature));
            e.CopyTo(tail);
            tail[..(z.Length - i)].CopyTo(w[i..]);
            sum += e;
        }
        return sum[0] + sum[2] + (sum[1] + sum[3]);
    }

    /// <summary>eˣ for x ≤ 0: x = n·ln 2 + r with |r| ≤ ln 2 / 2, the Taylor polynomial of degree 12 in r, times 2ⁿ.</summary>
    private static Vector256<double> Exp(Vector256<double> x)
    {
        Vector256<double> clamped = Vector256.Max(x, Vector256.Create(-709.0));
        // Adding 1.5 · 2⁵² rounds to a whole number, which then stands in the lowest bits.
        Vector256<double> magic = Vector256.Create(6755399441055744.0);
        Vector256<double> shifted = Vector256.FusedMultiplyAdd(clamped, Vector256.Create(1.4426950408889634), magic);
        Vector256<double> n = shifted - magic;
        Vector256<double> r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-6.93147180369123816490e-01), clamped);
        r = Vector256.FusedMultiplyAdd(n, Vector256.Create(-1.90821492927058770002e-10), r);
        Vector256<double> p = Vector256.Create(1.0 / 479001600);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.0 / 39916800));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.0 / 3628800));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.0 / 362880));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.0 / 40320));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.0 / 5040));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.0 / 720));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.0 / 120));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.0 / 24));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(1.0 / 6));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256.Create(0.5));
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<double>.One);
        p = Vector256.FusedMultiplyAdd(p, r, Vector256<double>.One);
        Vector256<double> result = (p.AsInt64() + (shifted.AsInt64() << 52)).AsDouble();
        return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256.Create(-708.0)), Vector256<double>.Zero, result);
    }

    /// <summary>
    /// The k-th largest of z (1 ≤ k ≤ length): a heap of the k largest so far, whose smallest turns away nearly all others
    /// four at a time.
    /// </summary>
    public static double KthLargest(ReadOnlySpan<double> z, Span<double> heap)
    {
        int k = heap.Length;
        z[..k].CopyTo(heap);
        for (int i = k / 2 - 1; i >= 0; i--) SiftDown(heap, i);
        int at = k;
        while (at < z.Length)
        {
            if (at <= z.Length - 4 && !Vector256.GreaterThanAny(Vector256.Create(z[at..]), Vector256.Create(heap[0])))
            {
                at += 4;
                continue;
            }
            for (int end = Math.Min(at + 4, z.Length); at < end; at++)
            {
                if (!(z[at] > heap[0])) continue;
                heap[0] = z[at];
                SiftDown(heap, 0);
            }
        }
        return heap[0];
    }

    private static void SiftDown(Span<double> heap, int at)
    {
        while (true)
        {
            int child = 2 * at + 1;
            if (child >= heap.Length) return;
            if (child + 1 < heap.Length && heap[child + 1] < heap[child]) child++;
            if (heap[at] <= heap[child]) return;
            (heap[at], heap[child]) = (heap[child], heap[at]);
            at = child;
        }
    }

    /// <summary>Writes the places where z ≥ threshold, in rising order, and gives their number.</summary>
    public static int Collect(ReadOnlySpan<double> z, double threshold, Span<int> places)
    {
        int count = 0, i = 0;
        for (; i <= z.Length - 4; i += 4)
        {
            uint mask = Vector256.GreaterThanOrEqual(Vector256.Create(z[i..]), Vector256.Create(threshold)).ExtractMostSignificantBits();
            for (; mask != 0; mask &= mask - 1) places[count++] = i + BitOperations.TrailingZeroCount(mask);
        }
        for (; i < z.Length; i++)
            if (z[i] >= threshold) places[count++] = i;
        return count;
    }
}
