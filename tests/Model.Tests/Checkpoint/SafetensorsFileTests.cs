using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

public sealed class SafetensorsFileTests
{
    [Fact]
    public unsafe void A_tensor_behind_four_gigabytes_is_read_right()
    {
        const long far = 5_000_000_000;
        using TemporaryFolder folder = new();
        string json = $$$"""{"gap":{"dtype":"U8","shape":[{{{far}}}],"data_offsets":[0,{{{far}}}]},"x":{"dtype":"F32","shape":[2],"data_offsets":[{{{far}}},{{{far + 8}}}]}}""";
        string path = folder.Write("far.safetensors", json, far + 8); // sparse: takes no room on the disk
        using (FileStream stream = new(path, FileMode.Open))
        {
            stream.Seek(-8, SeekOrigin.End);
            stream.Write(BitConverter.GetBytes(1.5f));
            stream.Write(BitConverter.GetBytes(-2f));
        }

        using SafetensorsFile file = SafetensorsFile.Open(path);
        using Tensor x = file.OpenTensor(file.Find("x"));
        using MappedView gap = file.View(file.Find("gap"));

        Assert.Equal([1.5f, -2f], x.Span<float>().ToArray());
        Assert.Equal(far, gap.ByteLength);
        Assert.Equal(0, gap.Pointer[far - 1]);
        Assert.Throws<InvalidInputException>(() => file.OpenTensor(file.Find("gap")));
    }

    [Fact]
    public void A_format_that_is_not_computed_with_is_refused_when_it_is_used()
    {
        using TemporaryFolder folder = new();
        using SafetensorsFile file = SafetensorsFile.Open(folder.Write("a.safetensors", """{"x":{"dtype":"F8_E8M0","shape":[3],"data_offsets":[0,3]}}""", 3));

        InvalidInputException error = Assert.Throws<InvalidInputException>(() => file.OpenTensor(file.Find("x")));

        Assert.Contains("F8_E8M0", error.Message, StringComparison.Ordinal);
        Assert.Contains("\"x\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_and_a_missing_tensor_are_named()
    {
        using TemporaryFolder folder = new();
        using SafetensorsFile file = SafetensorsFile.Open(folder.Write("a.safetensors", "{}", 0));

        Assert.Contains("other", Assert.Throws<InvalidInputException>(() => file.Find("other")).Message, StringComparison.Ordinal);
        Assert.Contains("none.safetensors", Assert.Throws<InvalidInputException>(() => SafetensorsFile.Open(folder.Combine("none.safetensors"))).Message, StringComparison.Ordinal);
        Assert.Throws<InvalidInputException>(() => SafetensorsFile.Open(folder.Root));
    }
}
