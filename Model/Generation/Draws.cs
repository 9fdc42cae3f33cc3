namespace Mellum2.Managed.Model;

/// <summary>Draws from distributions over the whole vocabulary.</summary>
internal static class Draws
{
    /// <summary>The first token at which the running sum of probabilities exceeds u · total.</summary>
    public static int FromDistribution(ReadOnlySpan<float> probabilities, double u)
    {
        double total = 0;
        foreach (float p in probabilities)
            total += p;
        double threshold = u * total, sum = 0;
        int last = 0;
        for (int i = 0; i < probabilities.Length; i++)
        {
            if (probabilities[i] == 0)
                continue;
            last = i;
            sum += probabilities[i];
            if (sum > threshold)
                return i;
        }
        return last;
    }
}
