using Mellum2.Managed.Gpu.Tests;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.GpuCheck;

/// <summary>Logits do not depend on when a model runs, how its prompt is cut into passes, and what else is in them.</summary>
internal static class SameBitsChecks
{
    public static IEnumerable<Check> All(CheckedDevice device) =>
        from folder in ModelChecks.Folders(device)
        from units in device.ModelUnits
        select new Check("Same bits", ModelChecks.NameOf(folder, units), checkedDevice => Compare(checkedDevice, folder, units));

    private static Outcome Compare(CheckedDevice device, string folder, MatrixUnits units)
    {
        MellumModel model = device.Model(folder, units);
        Random random = new(folder.Length);
        // Longer than every window and, where the model has the positions, than one range of 512 keys.
        int longest = device.IsEmulated ? 3 : Math.Min(model.Configuration.MaximumPositions - 1, 560);
        int[] lengths = device.IsEmulated ? [longest, 1] : [longest, 70, 33];
        int[][] prompts = [.. lengths.Select(length => Enumerable.Range(0, length).Select(_ => random.Next(model.Configuration.VocabularySize)).ToArray())];
        float[][] want = [.. prompts.Select(Alone)];
        if (Differ(want[0], Alone(prompts[0])) is { } again)
            return Outcome.Failed($"a second run: {again}");
        // Passes of a token, of a token and its drafts, of a tile and a bit, and of hundreds; any of the prompts in each.
        int[] passes = device.Extent switch { Extent.Emulated => [2], Extent.Quick => [9, 200], _ => [3, 9, 20, 64, 200, longest] };
        foreach (int most in passes)
        {
            device.Cancel.ThrowIfCancellationRequested();
            float[][] got = DeviceModels.Logits(model, prompts, DeviceModels.Split(prompts, most, random), most);
            for (int i = 0; i < prompts.Length; i++)
                if (Differ(want[i], got[i]) is { } where)
                    return Outcome.Failed($"prompt {i} in passes of up to {most} rows of each: {where}");
        }
        return Outcome.Passed($"two runs, and {string.Join(", ", lengths)} tokens together in passes of up to {string.Join(", ", passes)} rows of each");

        float[] Alone(int[] prompt) => DeviceModels.Logits(model, [prompt], [[prompt.Length]], prompt.Length)[0];
    }

    private static string? Differ(float[] want, float[] got)
    {
        int at = want.AsSpan().CommonPrefixLength(got);
        return at == want.Length ? null : FormattableString.Invariant($"logit {at} is {got[at]:R}, not {want[at]:R}");
    }
}
