using ILGPU;

namespace Mellum2.Managed.Engine;

/// <summary>Tensors as kernels see them.</summary>
internal static class TensorViews
{
    /// <summary>The elements; <typeparamref name="T"/> must have their size and the tensor must be on a device.</summary>
    public static ArrayView<T> View<T>(this Tensor tensor) where T : unmanaged
    {
        if (Interop.SizeOf<T>() != tensor.Type.Size())
            throw new InvalidOperationException($"{tensor} has elements of {tensor.Type.Size()}, not {Interop.SizeOf<T>()} bytes.");
        return tensor.Memory.Elements<T>(tensor.ByteOffset, tensor.Count);
    }

    /// <summary>The bytes in units of another size, the last one whole: blocks of memory end at a multiple of 16 bytes.</summary>
    public static ArrayView<T> Units<T>(this Tensor tensor) where T : unmanaged
    {
        int size = Interop.SizeOf<T>();
        return tensor.Memory.Elements<T>(tensor.ByteOffset, (tensor.ByteLength + size - 1) / size);
    }
}
