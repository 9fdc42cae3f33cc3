using System.Buffers.Binary;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>
/// The state of optimizers as a safetensors file: the count of steps as an I64 tensor <c>step</c> [1], then the state's
/// tensors under the names of their parameters with <c>.momentum</c>, <c>.mean</c> or <c>.variance</c>, byte for byte.
/// </summary>
public static unsafe class OptimizerStateFile
{
    private const string StepName = "step";
    private const int Piece = 1 << 28;

    /// <summary>Writes a file; an older one is replaced when the new one is whole.</summary>
    /// <exception cref="InvalidInputException">The file cannot be written.</exception>
    public static void Save(string path, long step, IReadOnlyCollection<KeyValuePair<string, Tensor>> state)
    {
        List<TensorDeclaration> declarations = [new(StepName, DType.I64, new Shape(1))];
        declarations.AddRange(state.Select(entry => new TensorDeclaration(entry.Key, entry.Value.Type, entry.Value.Shape)));
        using SafetensorsWriter writer = new(path, declarations);
        Span<byte> count = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64LittleEndian(count, step);
        writer.Write(StepName, count);
        foreach ((string name, Tensor tensor) in state)
            for (long begin = 0; begin < tensor.ByteLength; begin += Piece)
                writer.Write(name, new ReadOnlySpan<byte>(tensor.Data + begin, (int)Math.Min(Piece, tensor.ByteLength - begin)));
        writer.Complete();
    }

    /// <summary>Reads a file into <paramref name="state"/> after every tensor's name, format and shape have been checked.</summary>
    /// <returns>The count of steps.</returns>
    /// <exception cref="InvalidInputException">The file cannot be read, or does not hold exactly this state.</exception>
    public static long Load(string path, IReadOnlyCollection<KeyValuePair<string, Tensor>> state)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        foreach ((string name, Tensor tensor) in state)
            Check(file, name, tensor.Type, tensor.Shape);
        SafetensorsTensor step = Check(file, StepName, DType.I64, new Shape(1));
        if (file.Tensors.Count != state.Count + 1)
            throw new InvalidInputException($"{path} holds {file.Tensors.Count:N0} tensors, but {state.Count + 1:N0} are expected of this model's optimizer.");
        long count;
        using (MappedView view = file.View(step))
            count = BinaryPrimitives.ReadInt64LittleEndian(new ReadOnlySpan<byte>(view.Pointer, sizeof(long)));
        if (count < 0)
            throw new InvalidInputException($"{path} says that {count} steps were taken, but at least 0 are expected.");
        foreach ((string name, Tensor tensor) in state)
        {
            using MappedView view = file.View(file.Find(name));
            Buffer.MemoryCopy(view.Pointer, tensor.Data, tensor.ByteLength, view.ByteLength);
        }
        return count;
    }

    private static SafetensorsTensor Check(SafetensorsFile file, string name, DType type, Shape shape)
    {
        SafetensorsTensor stored = file.Find(name);
        if (stored.Format != type.Name() || !stored.HasShape(shape))
            throw new InvalidInputException($"{file.Path} has tensor \"{name}\" as {stored.Format} {stored.ShapeText}, but {type.Name()} {shape} is expected.");
        return stored;
    }
}
