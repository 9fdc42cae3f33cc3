using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// The next token of one sequence and its position, kept where a device's kernels have them: a pass writes both for the pass after
/// it, so that nothing is sent per token and what is queued is the same every time. The host knows the numbers too, and sends
/// those that are not as the last pass left them.
/// </summary>
public sealed class DecodeState : IDisposable
{
    private const int Unknown = int.MinValue;
    private readonly int[] _one = new int[1];
    private int _id = Unknown;
    private int _position = Unknown;

    /// <summary>Allocates the two numbers on <paramref name="device"/>.</summary>
    public DecodeState(Device device)
    {
        Ids = Tensor.Allocate(DType.I32, new Shape(1), device);
        try
        {
            Positions = Tensor.Allocate(DType.I32, new Shape(1), device);
        }
        catch
        {
            Ids.Dispose();
            throw;
        }
    }

    /// <summary>The bytes of both numbers.</summary>
    public const int Bytes = 2 * sizeof(int);

    /// <summary>The token; I32 [1].</summary>
    public Tensor Ids { get; }

    /// <summary>Its position; I32 [1].</summary>
    public Tensor Positions { get; }

    /// <summary>Makes the device hold these numbers; free where a pass has left them.</summary>
    public void Set(int id, int position)
    {
        if (_id != id)
            Write(Ids, _id = id);
        if (_position != position)
            Write(Positions, _position = position);
    }

    /// <summary>
    /// Chooses the token of the largest logit, in place of the one before, and reads it; −1 where there is no choice.
    /// </summary>
    /// <param name="kernels">The device's kernels.</param>
    /// <param name="logits">[1, vocabulary].</param>
    public int Choose(IForwardKernels kernels, Tensor logits)
    {
        kernels.ArgMax(logits, Ids);
        Ids.Read<int>(_one);
        return _id = _one[0];
    }

    /// <summary>Moves on to the next position.</summary>
    public void Advance(IForwardKernels kernels)
    {
        kernels.Advance(Positions, 1);
        _position++;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Ids.Dispose();
        Positions.Dispose();
    }

    private void Write(Tensor target, int value)
    {
        _one[0] = value;
        target.Write<int>(_one);
    }
}
