namespace Mellum2.Managed.Cli;

/// <summary>Points of a curve, made few enough to draw and smooth enough to read.</summary>
internal static class Curve
{
    /// <summary>How many places along the x axis a curve is drawn at.</summary>
    private const int Places = 800;

    private const int WindowsPerCurve = 40;

    /// <summary>
    /// The mean over a window around each point. The window is narrow at the start, where curves are steep, and one-sided at the
    /// end, where they are flat.
    /// </summary>
    public static List<(double X, double Y)> Smooth(IReadOnlyList<(double X, double Y)> points)
    {
        int widest = points.Count / WindowsPerCurve / 2;
        double[] sums = new double[points.Count + 1];
        for (int i = 0; i < points.Count; i++)
            sums[i + 1] = sums[i] + points[i].Y;
        List<(double, double)> result = new(points.Count);
        for (int i = 0; i < points.Count; i++)
        {
            int half = Math.Min(widest, i / 4), end = Math.Min(points.Count, i + half + 1);
            result.Add((points[i].X, (sums[end] - sums[i - half]) / (end - i + half)));
        }
        return result;
    }

    /// <summary>The last point of every place.</summary>
    public static List<(double X, double Y)> Thin(IReadOnlyList<(double X, double Y)> points)
    {
        if (points.Count <= Places)
            return [.. points];
        List<(double, double)> result = new(Places);
        for (int place = 1; place <= Places; place++)
            result.Add(points[(int)((long)place * points.Count / Places) - 1]);
        return result;
    }

    /// <summary>The lowest and the highest point of every place, in their order: what all of the points would look like.</summary>
    public static List<(double X, double Y)> Envelope(IReadOnlyList<(double X, double Y)> points)
    {
        if (points.Count <= 2 * Places)
            return [.. points];
        List<(double, double)> result = new(2 * Places);
        for (int place = 0; place < Places; place++)
        {
            int first = (int)((long)place * points.Count / Places), end = (int)((place + 1L) * points.Count / Places), low = first, high = first;
            for (int i = first + 1; i < end; i++)
            {
                low = points[i].Y < points[low].Y ? i : low;
                high = points[i].Y > points[high].Y ? i : high;
            }
            result.Add(points[Math.Min(low, high)]);
            if (low != high)
                result.Add(points[Math.Max(low, high)]);
        }
        return result;
    }
}
