using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

public sealed class SafetensorsWriterTests
{
    private static readonly DType[] s_types = Enum.GetValues<DType>();

    [Property(MaxTest = 200)]
    public void What_is_written_is_read_back(int seed)
    {
        using TemporaryFolder folder = new();
        Random random = new(seed);
        (TensorDeclaration[] tensors, byte[][] data) = RandomTensors(random);
        string path = folder.Combine("a.safetensors");
        using (SafetensorsWriter writer = new(path, tensors))
        {
            WriteAll(random, tensors, data, (name, bytes) => writer.Write(name, bytes));
            writer.Complete();
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);

        Assert.Equal("pt", file.Metadata["format"]);
        Assert.Equal(tensors.Length, file.Tensors.Count);
        for (int i = 0; i < tensors.Length; i++)
        {
            SafetensorsTensor stored = file.Find(tensors[i].Name);
            Assert.Equal(tensors[i].Type.Name(), stored.Format);
            Assert.True(stored.HasShape(tensors[i].Shape));
            Assert.Equal(data[i], Bytes(file, stored));
        }
        Assert.Equal(0, (file.ByteLength - data.Sum(bytes => bytes.Length)) % 8);
        Assert.Equal([path], Directory.GetFileSystemEntries(folder.Root));
    }

    [Property(MaxTest = 100)]
    public void Shards_are_read_back(int seed, PositiveInt shardBytes)
    {
        using TemporaryFolder folder = new();
        Random random = new(seed);
        (TensorDeclaration[] tensors, byte[][] data) = RandomTensors(random);
        if (tensors.Length == 0)
            return;
        using (CheckpointWriter writer = new(folder.Root, tensors, shardBytes.Item))
        {
            WriteAll(random, tensors, data, (name, bytes) => writer.Write(name, bytes));
            writer.Complete();
        }

        using Checkpoint checkpoint = Checkpoint.Open(folder.Root);

        Assert.Equal(tensors.Length, checkpoint.Tensors.Count);
        for (int i = 0; i < tensors.Length; i++)
        {
            CheckpointTensor tensor = checkpoint.Find(tensors[i].Name);
            Assert.Equal(data[i], Bytes(tensor.File, tensor.Stored));
        }
        foreach (IGrouping<SafetensorsFile, CheckpointTensor> shard in checkpoint.Tensors.GroupBy(tensor => tensor.File))
            Assert.True(shard.Count() == 1 || shard.Sum(tensor => tensor.Stored.ByteLength) <= shardBytes.Item);
    }

    [Fact]
    public void An_unfinished_file_is_removed_and_the_old_one_stays()
    {
        using TemporaryFolder folder = new();
        string path = folder.Combine("a.safetensors");
        File.WriteAllText(path, "old");
        using (SafetensorsWriter writer = new(path, [new("x", DType.F32, new Shape(2))]))
            writer.Write("x", new byte[4]);

        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(folder.Root));
    }

    [Fact]
    public void Unfinished_shards_are_removed()
    {
        using TemporaryFolder folder = new();
        using (CheckpointWriter writer = new(folder.Root, [new("x", DType.U8, new Shape(4)), new("y", DType.U8, new Shape(4))], shardBytes: 4))
        {
            writer.Write("x", new byte[4]);
            writer.Write("y", new byte[3]);
        }

        Assert.Empty(Directory.GetFileSystemEntries(folder.Root));
    }

    [Fact]
    public void A_wrong_order_or_size_is_a_mistake_of_the_caller()
    {
        using TemporaryFolder folder = new();
        TensorDeclaration[] tensors = [new("x", DType.U8, new Shape(2)), new("y", DType.U8, new Shape(2))];
        using SafetensorsWriter writer = new(folder.Combine("a.safetensors"), tensors);

        Assert.Throws<InvalidOperationException>(() => writer.Write("y", new byte[1]));
        Assert.Throws<InvalidOperationException>(() => writer.Write("x", new byte[3]));
        writer.Write("x", new byte[2]);
        writer.Write("y", new byte[1]);
        Assert.Throws<InvalidOperationException>(writer.Complete);
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(folder.Combine("b.safetensors"), [tensors[0], tensors[0]]));
        Assert.Throws<ArgumentException>(() => new SafetensorsWriter(folder.Combine("b.safetensors"), [new("__metadata__", DType.U8, new Shape(1))]));
    }

    [Fact]
    public void A_full_disk_is_one_sentence()
    {
        if (!File.Exists("/dev/full"))
            return;
        using TemporaryFolder folder = new();
        string path = folder.Combine("a.safetensors");

        InvalidInputException error = Assert.Throws<InvalidInputException>(() =>
        {
            using SafetensorsWriter writer = new(path, [new("x", DType.U8, new Shape(2))], null, OpenFull);
        });

        Assert.Contains(path, error.Message, StringComparison.Ordinal);
        Assert.Contains("space", error.Message, StringComparison.OrdinalIgnoreCase);
        Assert.Empty(Directory.GetFileSystemEntries(folder.Root));
    }

    [Fact]
    public void A_disk_that_fills_up_later_leaves_the_old_file()
    {
        using TemporaryFolder folder = new();
        string path = folder.Combine("a.safetensors");
        File.WriteAllText(path, "old");

        InvalidInputException error = Assert.Throws<InvalidInputException>(() =>
        {
            using SafetensorsWriter writer = new(path, [new("x", DType.U8, new Shape(2000))], null, (name, _) => new SmallStream(name));
            for (int i = 0; i < 20; i++)
                writer.Write("x", new byte[100]);
            writer.Complete();
        });

        Assert.Contains("No space left", error.Message, StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(folder.Root));
    }

    [Fact]
    public void A_folder_that_cannot_be_written_to_or_has_weights_is_named()
    {
        using TemporaryFolder folder = new();
        TensorDeclaration[] tensors = [new("x", DType.U8, new Shape(2))];
        File.WriteAllText(folder.Combine("model.safetensors"), "old");

        Assert.Contains("model.safetensors", Assert.Throws<InvalidInputException>(() => new CheckpointWriter(folder.Root, tensors)).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidInputException>(() => new CheckpointWriter(folder.Combine("none"), tensors));
        Assert.Throws<InvalidInputException>(() => new SafetensorsWriter(folder.Combine("none", "a.safetensors"), tensors));
    }

    private static FileStream OpenFull(string path, long length) => new("/dev/full", FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);

    private static byte[] Bytes(SafetensorsFile file, SafetensorsTensor stored)
    {
        using MappedView view = file.View(stored);
        unsafe
        {
            return new ReadOnlySpan<byte>(view.Pointer, (int)view.ByteLength).ToArray();
        }
    }

    private static (TensorDeclaration[] Tensors, byte[][] Data) RandomTensors(Random random)
    {
        TensorDeclaration[] tensors = new TensorDeclaration[random.Next(6)];
        byte[][] data = new byte[tensors.Length][];
        for (int i = 0; i < tensors.Length; i++)
        {
            int[] dimensions = new int[random.Next(5)];
            for (int d = 0; d < dimensions.Length; d++)
                dimensions[d] = random.Next(6);
            string[] endings = ["", ".weight", "\"\\\n", "é世😀", "</x>"];
            tensors[i] = new($"{i}{endings[random.Next(endings.Length)]}", s_types[random.Next(s_types.Length)], Shape.Of(dimensions));
            data[i] = new byte[tensors[i].ByteLength];
            random.NextBytes(data[i]);
        }
        return (tensors, data);
    }

    private static void WriteAll(Random random, TensorDeclaration[] tensors, byte[][] data, Action<string, byte[]> write)
    {
        for (int i = 0; i < tensors.Length; i++)
        {
            for (int at = 0; at < data[i].Length;)
            {
                int length = random.Next(1, data[i].Length - at + 1);
                write(tensors[i].Name, data[i][at..(at + length)]);
                at += length;
            }
        }
    }

    /// <summary>A file on a disk with room for 1,000 bytes.</summary>
    private sealed class SmallStream(string path) : FileStream(path, FileMode.Create)
    {
        public override void Write(ReadOnlySpan<byte> buffer)
        {
            if (Position + buffer.Length > 1000)
                throw new IOException("No space left on device");
            base.Write(buffer);
        }
    }
}
