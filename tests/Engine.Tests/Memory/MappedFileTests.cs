using Xunit;

namespace Mellum2.Managed.Engine.Tests;

public sealed unsafe class MappedFileTests : IDisposable
{
    private readonly string _path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void A_view_shows_the_bytes_at_any_offset()
    {
        byte[] bytes = [.. Enumerable.Range(0, 20000).Select(i => (byte)(i * 7))];
        File.WriteAllBytes(_path, bytes);
        using MappedFile file = new(_path);
        Assert.Equal(bytes.Length, file.ByteLength);
        foreach ((int offset, int length) in new[] { (0, 20000), (1, 4096), (4095, 2), (4096, 15904), (19999, 1), (20000, 0), (0, 0) })
        {
            using MappedView view = file.View(offset, length);
            Assert.Equal(length, view.ByteLength);
            Assert.True(new Span<byte>(view.Pointer, length).SequenceEqual(bytes.AsSpan(offset, length)));
        }
    }

    [Fact]
    public void Offsets_beyond_4_GB_are_reached()
    {
        const long size = 5L << 30, place = (4L << 30) + 12345;
        using (FileStream stream = new(_path, FileMode.CreateNew))
        {
            // Sparse: the file takes a few blocks on the disk.
            stream.SetLength(size);
            stream.Position = place;
            stream.Write("marker"u8);
        }
        using MappedFile file = new(_path);
        Assert.Equal(size, file.ByteLength);
        using (MappedView view = file.View(place, 6))
            Assert.True(new Span<byte>(view.Pointer, 6).SequenceEqual("marker"u8));
        using MappedView whole = file.View(0, size);
        Assert.True(new Span<byte>(whole.Pointer + place, 6).SequenceEqual("marker"u8));
        using Tensor tensor = Tensor.OverView(DType.U8, new Shape(5, 1 << 30), file.View(0, size));
        Assert.True(new Span<byte>(tensor.Data + place, 6).SequenceEqual("marker"u8));
    }

    [Theory]
    [InlineData(0, 101)]
    [InlineData(100, 1)]
    [InlineData(-1, 5)]
    [InlineData(5, -1)]
    [InlineData(long.MaxValue, 1)]
    [InlineData(1, long.MaxValue)]
    public void A_range_outside_of_the_file_is_refused_in_one_sentence(long offset, long length)
    {
        File.WriteAllBytes(_path, new byte[100]);
        using MappedFile file = new(_path);
        Assert.Contains(_path, Assert.Throws<InvalidInputException>(() => file.View(offset, length)).Message);
    }

    [Fact]
    public void A_missing_file_a_folder_and_an_empty_file()
    {
        Assert.Contains(_path, Assert.Throws<InvalidInputException>(() => new MappedFile(_path)).Message);
        Assert.Throws<InvalidInputException>(() => new MappedFile(Path.GetTempPath()));
        File.WriteAllBytes(_path, []);
        using MappedFile file = new(_path);
        Assert.Equal(0, file.ByteLength);
        using MappedView view = file.View(0, 0);
        Assert.True(view.Pointer == null);
    }
}
