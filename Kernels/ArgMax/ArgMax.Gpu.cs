using ILGPU;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class GpuKernels
{
    // As for the log-sum-exp: few and long rows.
    private const int ArgMaxThreads = 256;

    private readonly GpuKernel<ArgMaxArguments> _argMax = new("ArgMax", ArgMaxKernel);

    /// <inheritdoc/>
    public void ArgMax(Tensor logits, Tensor ids)
    {
        ArgMaxArguments arguments = new() { Logits = logits.View<float>(), Ids = ids.View<int>(), Width = logits.Columns };
        _argMax.Run(_device, logits.Rows, 1, ArgMaxThreads, arguments);
    }

    /// <summary>One group for each row: thread i finds the first largest of elements i, i + 256, …, and thread 0 that of all.</summary>
    private static void ArgMaxKernel(ArgMaxArguments a)
    {
        ArrayView<float> values = SharedMemory.Allocate<float>(ArgMaxThreads);
        ArrayView<int> places = SharedMemory.Allocate<int>(ArgMaxThreads);
        ArrayView<float> row = a.Logits.SubView((long)Grid.IdxX * a.Width, a.Width);
        float largest = float.NegativeInfinity;
        int place = -1;
        for (int i = Group.IdxX; i < a.Width; i += ArgMaxThreads)
        {
            float value = row[i];
            if (value > largest)
            {
                largest = value;
                place = i;
            }
            // Nothing is larger than a NaN, so that it stays.
            if (float.IsNaN(value))
                largest = value;
        }
        values[Group.IdxX] = largest;
        places[Group.IdxX] = place;
        Group.Barrier();
        if (Group.IdxX != 0)
            return;
        for (int i = 1; i < ArgMaxThreads; i++)
        {
            float value = values[i];
            if (value > largest || (value == largest && places[i] >= 0 && places[i] < place))
            {
                largest = value;
                place = places[i];
            }
            if (float.IsNaN(value))
                largest = value;
        }
        a.Ids[Grid.IdxX] = float.IsNaN(largest) ? -1 : place;
    }

    internal struct ArgMaxArguments
    {
        public ArrayView<float> Logits;
        public ArrayView<int> Ids;
        public int Width;
    }
}
