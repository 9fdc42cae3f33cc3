using System.Text;
using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>One hand-made file for every rule of the format.</summary>
public sealed class SafetensorsHeaderTests
{
    private const string Tensor = """{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}""";

    [Fact]
    public void A_right_header_gives_formats_shapes_and_places()
    {
        const string json = """{"__metadata__":{"a":"b"},"y":{"dtype":"BF16","shape":[3],"data_offsets":[24,30]},"x":{"shape":[2,3],"data_offsets":[0,24],"dtype":"F32"}}   """;

        SafetensorsHeader header = Parse(json, 30);

        Assert.Equal("b", header.Metadata["a"]);
        Assert.Equal(["x", "y"], header.Tensors.Select(tensor => tensor.Name));
        SafetensorsTensor x = header.Tensors[0];
        Assert.Equal(("F32", 8 + json.Length, 24), (x.Format, (int)x.Offset, (int)x.ByteLength));
        Assert.Equal([2L, 3L], x.Dimensions);
        Assert.True(x.HasShape(new Shape(2, 3)));
        Assert.False(x.HasShape(new Shape(3, 2)));
        Assert.False(x.HasShape(new Shape(6)));
    }

    [Theory]
    [InlineData("{}", 0)]
    [InlineData("""{"__metadata__":{}}""", 0)]
    [InlineData("""{"x":{"dtype":"F32","shape":[],"data_offsets":[0,4]}}""", 4)]
    [InlineData("""{"x":{"dtype":"F32","shape":[0,5],"data_offsets":[0,0]},"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", 1)]
    [InlineData("""{"x":{"dtype":"I8","shape":[3],"data_offsets":[0,3]}}""", 3)]
    [InlineData("""{"x":{"dtype":"F4","shape":[4],"data_offsets":[0,2]}}""", 2)]
    public void Unusual_but_right_headers_are_read(string json, int dataLength) => Parse(json, dataLength);

    [Theory]
    [InlineData("", 0, "brace")]
    [InlineData(" {}", 0, "brace")]
    [InlineData("[]", 0, "brace")]
    [InlineData("{", 0, "valid JSON")]
    [InlineData("{}{}", 0, "valid JSON")]
    [InlineData("{}\0", 0, "valid JSON")]
    [InlineData("""{"x":{"dtype":"F32","shape":[[[1]]],"data_offsets":[0,4]}}""", 4, "whole number")]
    [InlineData("""{"x":{"dtype":{"a":{"b":{"c":1}}},"shape":[1],"data_offsets":[0,4]}}""", 4, "not a string")]
    [InlineData("""{"x":[]}""", 0, "no object")]
    [InlineData("""{"x":null}""", 0, "no object")]
    [InlineData("""{"x":{}}""", 0, "lacks dtype")]
    [InlineData("""{"x":{"dtype":"F32","data_offsets":[0,4]}}""", 4, "lacks shape")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1]}}""", 4, "lacks data_offsets")]
    [InlineData("""{"x":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "dtype twice")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]}}""", 4, "shape twice")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"data_offsets":[0,4]}}""", 4, "data_offsets twice")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"stride":[1]}}""", 4, "unknown field")]
    [InlineData("""{"x":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown number format")]
    [InlineData("""{"x":{"dtype":"f32","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown number format")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1.0],"data_offsets":[0,4]}}""", 4, "whole number")]
    [InlineData("""{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "whole number")]
    [InlineData("""{"x":{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}}""", 4, "whole number")]
    [InlineData("""{"x":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", 4, "no list")]
    [InlineData("""{"x":{"dtype":"F32","shape":[9223372036854775808],"data_offsets":[0,4]}}""", 4, "whole number")]
    [InlineData("""{"x":{"dtype":"F32","shape":[4611686018427387905,4],"data_offsets":[0,16]}}""", 16, "too large")]
    [InlineData("""{"x":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "too large")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}""", 4, "more than 8")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "does not have that size")]
    [InlineData("""{"x":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}""", 2, "last byte")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, "a start and an end")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}}""", 4, "a start and an end")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "a start and an end")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 3, "a start and an end")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 5, "1 bytes behind")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[1,5]}}""", 5, "gap of 1")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[5,9]}}""", 9, "gap of 1")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[3,7]}}""", 7, "overlapping")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "twice")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\u0078":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "twice")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "not a string")]
    [InlineData("""{"__metadata__":{"a":"b","a":"c"}}""", 0, "twice")]
    [InlineData("""{"__metadata__":{},"__metadata__":{}}""", 0, "twice")]
    [InlineData("""{"__metadata__":"a"}""", 0, "no object")]
    [InlineData("""{"\ud800":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "valid Unicode")]
    public void A_header_that_breaks_a_rule_is_refused(string json, int dataLength, string part)
    {
        InvalidInputException error = Assert.Throws<InvalidInputException>(() => Parse(json, dataLength));

        Assert.Contains(part, error.Message, StringComparison.Ordinal);
        Assert.StartsWith("file ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_header_that_is_not_UTF8_is_refused()
    {
        byte[] json = Encoding.Latin1.GetBytes("""{"é":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""");

        Assert.Throws<InvalidInputException>(() => SafetensorsHeader.Parse(json, 8 + json.Length + 4, "file"));
    }

    [Fact]
    public void A_name_beyond_reason_is_refused_without_quoting_it()
    {
        string json = $"{{\"{new string('x', 100_000)}\":{Tensor}}}";

        InvalidInputException error = Assert.Throws<InvalidInputException>(() => Parse(json, 24));

        Assert.True(error.Message.Length < 300);
    }

    [Theory]
    [InlineData(new byte[] { }, 0)]
    [InlineData(new byte[] { 1, 0, 0, 0, 0, 0, 0 }, 7)]
    [InlineData(new byte[] { 3, 0, 0, 0, 0, 0, 0, 0 }, 10)]
    [InlineData(new byte[] { 1, 225, 245, 5, 0, 0, 0, 0 }, long.MaxValue)] // 100,000,001
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255 }, long.MaxValue)]
    [InlineData(new byte[] { 0, 0, 0, 0, 0, 0, 0, 128 }, long.MaxValue)]
    public void A_length_that_cannot_be_is_refused(byte[] start, long fileLength) =>
        Assert.Throws<InvalidInputException>(() => SafetensorsHeader.ReadLength(start, fileLength, "file"));

    private static SafetensorsHeader Parse(string json, int dataLength)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(json);
        return SafetensorsHeader.Parse(bytes, 8 + bytes.Length + dataLength, "file");
    }
}
