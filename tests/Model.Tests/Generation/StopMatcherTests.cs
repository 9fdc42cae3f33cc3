using System.Text;
using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Streams cut anywhere give the text up to the first stop string, and nothing of it.</summary>
public sealed class StopMatcherTests
{
    [Property(MaxTest = 1000)]
    public Property A_stream_ends_before_the_first_stop_string_however_it_is_cut()
    {
        // Few letters, so that stop strings and their beginnings are frequent.
        Gen<string> text = Gen.Elements('a', 'b', 'é', '\n').ListOf().Select(letters => string.Concat(letters));
        Gen<(string, string[], int)> cases =
            from whole in text
            from stops in text.ListOf()
            from cut in Gen.Choose(1, 5)
            select (whole, stops.Take(3).ToArray(), cut);
        return Prop.ForAll(cases.ToArbitrary(), given =>
        {
            var (whole, stops, cut) = given;
            return Streamed(whole, stops, cut) == Expected(whole, stops);
        });
    }

    [Fact]
    public void The_longest_of_the_stop_strings_that_end_together_is_left_out()
    {
        Assert.Equal(("x", true), Streamed("xaab", ["b", "aab"], 1));
        Assert.Equal(("xaa", true), Streamed("xaab", ["b"], 4));
        Assert.Equal(("xaaab", false), Streamed("xaaab", ["aac", ""], 2));
    }

    private static (string Text, bool Stopped) Expected(string whole, string[] stops)
    {
        // The first place where any stop string ends; of those that end there the longest.
        for (int end = 1; end <= whole.Length; end++)
        {
            string? stop = stops.Where(s => s.Length > 0 && whole[..end].EndsWith(s, StringComparison.Ordinal)).MaxBy(s => s.Length);
            if (stop is not null)
                return (whole[..(end - stop.Length)], true);
        }
        return (whole, false);
    }

    private static (string Text, bool Stopped) Streamed(string whole, string[] stops, int cut)
    {
        StopMatcher matcher = new(stops);
        List<byte> output = [];
        byte[] bytes = Encoding.UTF8.GetBytes(whole), buffer = new byte[cut + matcher.MostHeld];
        for (int start = 0; start < bytes.Length; start += cut)
        {
            int count = matcher.Append(bytes.AsSpan(start, Math.Min(cut, bytes.Length - start)), buffer, out bool stopped);
            output.AddRange(buffer.AsSpan(0, count));
            if (stopped)
                return (Encoding.UTF8.GetString([.. output]), true);
        }
        output.AddRange(buffer.AsSpan(0, matcher.Flush(buffer)));
        return (Encoding.UTF8.GetString([.. output]), false);
    }
}
