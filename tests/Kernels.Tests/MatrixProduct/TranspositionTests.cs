using Xunit;

namespace Mellum2.Managed.Kernels.Tests;

public unsafe class TranspositionTests
{
    [Fact]
    public void Rows_become_columns_and_nothing_else_changes()
    {
        foreach (int count in (int[])[1, 2, 3, 4, 6, 8, 9, 10, 13, 14, 15, 16, 17, 20, 30, 32, 33])
            foreach (int length in (int[])[0, 1, 5, 15, 16, 17, 31, 32, 33, 50])
                foreach (int stride in (int[])[count, count + 1, count + 7, 40])
                    Check(count, length, stride);
    }

    private static void Check(int count, int length, int stride)
    {
        const uint Untouched = 0xFFFF_FFFF;
        uint[] source = [.. Enumerable.Range(0, count * length + 1).Select(i => (uint)i)];
        uint[] target = new uint[length * stride + 16];
        Array.Fill(target, Untouched);
        fixed (uint* from = source, to = target)
        {
            uint** rows = stackalloc uint*[count];
            for (int r = 0; r < count; r++)
                rows[r] = from + r * length;
            Transposition.Run(rows, count, length, to, stride);
        }
        for (int i = 0; i < target.Length; i++)
        {
            int k = i / stride, r = i % stride;
            Assert.True(target[i] == (k < length && r < count ? source[r * length + k] : Untouched), $"{count} rows of {length}, stride {stride}: [{k}][{r}]");
        }
    }
}
