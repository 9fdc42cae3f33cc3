using System.Globalization;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Every operation of the forward pass against its definition, the float64 reference kernels.</summary>
internal static class OperationChecks
{
    public static IEnumerable<Check> All() =>
    [
        .. RowOperations.All(), .. ProductOperations.All(), .. Float8Operations.All(), .. AttentionOperations.All(), .. RoutingOperations.All(),
        .. ChoiceOperations.All(), .. FusedOperations.All(),
    ];

    /// <summary>A check of some cases of one operation.</summary>
    /// <param name="name">The operation.</param>
    /// <param name="bound">How far results may be from the definition, in words.</param>
    /// <param name="cases">The cases for a device.</param>
    public static Check Of(string name, string bound, Func<CheckedDevice, IEnumerable<OperationCase>> cases) =>
        new("Operations against float64", name, device => Run(device, bound, cases(device)));

    /// <summary>The small cases on the emulator, the others elsewhere.</summary>
    public static T[] Sizes<T>(this CheckedDevice device, T[] emulated, T[] real) => device.IsEmulated ? emulated : real;

    private static Outcome Run(CheckedDevice device, string bound, IEnumerable<OperationCase> cases)
    {
        int count = 0, wrong = 0;
        double largest = 0;
        string first = "";
        foreach (OperationCase one in cases)
        {
            device.Cancel.ThrowIfCancellationRequested();
            count++;
            GpuKernels kernels = device.Kernels(one.Units);
            double[] want = one.Run(device.Reference), got = one.Run(kernels);
            string? problem = Compare(want, got, one.Bound, ref largest);
            if (problem is null && one.Same is { } other)
                problem = Differ(other(kernels), got);
            if (problem is null)
                continue;
            if (wrong++ == 0)
                first = $"{one.What}{UnitsOf(one)}: {problem}";
        }
        string measured = largest > 0 ? string.Create(CultureInfo.InvariantCulture, $", the largest error {100 * largest:F1} % of the bound") : "";
        return wrong == 0
            ? Outcome.Passed($"{count} cases{measured} ({bound})")
            : Outcome.Failed($"{wrong} of {count} cases are wrong ({bound}). {first}");
    }

    private static string UnitsOf(OperationCase one) => one.Units switch
    {
        MatrixUnits.None => "",
        MatrixUnits.Simulated => ", simulated tensor cores",
        _ => ", tensor cores",
    };

    // The first element that is wrong and how many there are; null where there is none.
    private static string? Compare(double[] want, double[] got, Bound bound, ref double largest)
    {
        if (want.Length != got.Length)
            return $"{got.Length} elements instead of {want.Length}";
        int wrong = 0, first = -1;
        for (int i = 0; i < want.Length; i++)
        {
            double w = bound.IsExact ? (float)want[i] : want[i], error = Math.Abs(got[i] - w), allowed = bound.Allowed(i, w);
            bool right = float.IsFinite((float)w) ? error <= allowed : ((double)(float)w).Equals(got[i]);
            if (right && allowed > 0 && double.IsFinite(error))
                largest = Math.Max(largest, error / allowed);
            if (!right && wrong++ == 0)
                first = i;
        }
        return wrong == 0 ? null : string.Create(
            CultureInfo.InvariantCulture,
            $"{wrong} of {want.Length} elements; element {first} is {got[first]:G9}, not {want[first]:G9} ± {bound.Allowed(first, want[first]):G3}");
    }

    private static string? Differ(double[] want, double[] got)
    {
        for (int i = 0; i < want.Length; i++)
            if (!want[i].Equals(got[i]))
                return string.Create(CultureInfo.InvariantCulture, $"element {i} is {got[i]:G9}, and {want[i]:G9} in the other way that should give the same bits");
        return null;
    }
}
