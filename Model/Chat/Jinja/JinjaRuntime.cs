using System.Diagnostics.CodeAnalysis;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>One rendering: where it stands (for errors), what it has used of its limits, and the clock.</summary>
internal sealed class JinjaRuntime(string name, JinjaLimits limits, TimeProvider clock)
{
    private long _steps;
    private long _size;

    public JinjaLimits Limits { get; } = limits;

    public TimeProvider Clock { get; } = clock;

    /// <summary>The line of the statement or operation that runs.</summary>
    public int Line { get; set; } = 1;

    public InvalidInputException Fail(string problem) => new($"{name}, line {Line}: {problem}");

    /// <summary>Fails if the value is undefined; otherwise gives it back.</summary>
    public object? Defined(object? value) => value is JinjaUndefined undefined ? throw Fail(undefined.Message) : value;

    public void Step()
    {
        if (++_steps > Limits.Steps) ThrowTooManySteps();
    }

    /// <summary>Pays for a text of <paramref name="length"/> before it is made.</summary>
    public void Charge(long length)
    {
        if (length > Limits.TextLength) throw Fail($"the template makes a text of {length} characters; at most {Limits.TextLength} are allowed");
        Add(length);
    }

    /// <summary>Pays for a list of <paramref name="count"/> elements before it is made.</summary>
    public void ChargeItems(long count)
    {
        if (count > Limits.ListLength) throw Fail($"the template makes a list of {count} elements; at most {Limits.ListLength} are allowed");
        Add(count * 8);
    }

    private void Add(long size)
    {
        _size += size;
        if (_size > Limits.TotalSize) throw Fail($"the template makes more than {Limits.TotalSize} characters in all");
    }

    /// <summary>Counts work that grows with a length but makes nothing.</summary>
    public void Work(long length)
    {
        _steps += length >> 4;
        Step();
    }

    public string Made(string text)
    {
        Charge(text.Length);
        return text;
    }

    [DoesNotReturn]
    private void ThrowTooManySteps() => throw Fail($"the template takes more than {Limits.Steps} steps");
}
