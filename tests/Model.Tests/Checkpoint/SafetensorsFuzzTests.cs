using System.Diagnostics;
using System.Numerics;
using System.Text;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>
/// Damaged headers: each is refused with <see cref="InvalidInputException"/> or is right by an independent reading; none
/// hangs or allocates more than its own size explains.
/// </summary>
public sealed class SafetensorsFuzzTests
{
    private const int Cases = 120_000;

    [Fact]
    public void Damaged_headers_are_refused_or_right()
    {
        byte[][] seeds =
        [
            .. new[]
            {
                """{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}""",
                """{"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"BF16","shape":[3],"data_offsets":[24,30]},"c":{"dtype":"F8_E4M3","shape":[2,2,2],"data_offsets":[30,38]}}""",
                """{"x.weight":{"data_offsets":[10,14],"dtype":"I32","shape":[]},"y":{"dtype":"U8","shape":[10],"data_offsets":[0,10]},"z":{"dtype":"F64","shape":[0,7],"data_offsets":[14,14]}}  """,
            }.Select(Encoding.UTF8.GetBytes),
        ];
        int[] dataLengths = [24, 38, 14];
        Random random = new(20260731);
        int accepted = 0;
        for (int i = 0; i < Cases; i++)
        {
            // Bytes break the text; ranges that are shifted break the layout with a text that is right.
            int seed = random.Next(seeds.Length), dataLength = dataLengths[seed];
            byte[] json = random.Next(3) == 0 ? Arrange(random, out dataLength) : Mutate(seeds[seed], random);
            long fileLength = 8 + json.Length + (random.Next(8) == 0 ? random.Next(64) : dataLength);

            long before = GC.GetAllocatedBytesForCurrentThread();
            long start = Stopwatch.GetTimestamp();
            SafetensorsHeader? header = TryParse(json, fileLength);
            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 64 * json.Length + 100_000);
            Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(5));
            if (header is null)
                continue;
            accepted++;
            CheckIndependently(header, json, fileLength);
        }
        // A detector that refuses everything would pass too: mutations that change only a name, say, must be accepted.
        Assert.InRange(accepted, Cases / 100, Cases - Cases / 10);
    }

    [Fact]
    public void Damaged_files_are_refused_or_open()
    {
        using TemporaryFolder folder = new();
        byte[] good = File.ReadAllBytes(folder.Write("good.safetensors", """{"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}""", 24));
        Random random = new(7);
        string path = folder.Combine("bad.safetensors");
        for (int i = 0; i < 2_000; i++)
        {
            File.WriteAllBytes(path, Mutate(good, random));
            try
            {
                using SafetensorsFile file = SafetensorsFile.Open(path);
                foreach (SafetensorsTensor tensor in file.Tensors)
                    file.View(tensor).Dispose();
            }
            catch (InvalidInputException)
            {
            }
        }
    }

    private static SafetensorsHeader? TryParse(byte[] json, long fileLength)
    {
        try
        {
            return SafetensorsHeader.Parse(json, fileLength, "file");
        }
        catch (InvalidInputException)
        {
            return null;
        }
    }

    /// <summary>A header of tensors in any order, of which some ranges are moved or one length is changed.</summary>
    private static byte[] Arrange(Random random, out int dataLength)
    {
        string[] formats = ["U8", "BF16", "F32", "F64", "F8_E4M3", "BOOL", "I16"];
        int[] sizes = [1, 2, 4, 8, 1, 1, 2];
        List<string> entries = [];
        int end = 0;
        for (int i = random.Next(5); i >= 0; i--)
        {
            int format = random.Next(formats.Length), rows = random.Next(4), columns = random.Next(1, 4);
            int start = end + (random.Next(6) == 0 ? random.Next(-3, 4) : 0);
            end = start + rows * columns * sizes[format];
            int shownRows = rows + (random.Next(20) == 0 ? 1 : 0);
            entries.Insert(random.Next(entries.Count + 1), $$"""
                "t{{i}}":{"dtype":"{{formats[format]}}","shape":[{{shownRows}},{{columns}}],"data_offsets":[{{start}},{{end}}]}
                """);
        }
        dataLength = Math.Max(0, end + (random.Next(10) == 0 ? random.Next(-2, 3) : 0));
        return Encoding.UTF8.GetBytes("{" + string.Join(",", entries) + "}");
    }

    private static byte[] Mutate(byte[] seed, Random random)
    {
        List<byte> bytes = [.. seed];
        for (int rounds = random.Next(3); rounds >= 0; rounds--)
        {
            int at = random.Next(bytes.Count + 1);
            switch (random.Next(7))
            {
                case 0 when at < bytes.Count:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1 when at < bytes.Count:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2:
                    bytes.RemoveRange(at, random.Next(bytes.Count - at + 1));
                    break;
                case 3:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(s_pieces[random.Next(s_pieces.Length)]));
                    break;
                case 4:
                    ReplaceNumber(bytes, random);
                    break;
                case 5:
                    int length = random.Next(bytes.Count - at + 1);
                    bytes.InsertRange(at, bytes.GetRange(at, length));
                    break;
                default:
                    bytes.AddRange(Enumerable.Repeat((byte)' ', random.Next(20)));
                    break;
            }
            if (bytes.Count == 0)
                bytes.Add((byte)'{');
        }
        return [.. bytes];
    }

    private static readonly string[] s_pieces =
    [
        "[", "]", "{", "}", ",", "\"", "0", "-", "9999999999999999999", "1e9", "null", "\\u0000", "\\", "[[[[[[[[", "\"a\":{},",
        "\"a\":", "é", "4294967296,4294967296,", "0,", "1,", " ",
    ];

    private static void ReplaceNumber(List<byte> bytes, Random random)
    {
        int at = random.Next(bytes.Count);
        while (at < bytes.Count && !char.IsAsciiDigit((char)bytes[at]))
            at++;
        int end = at;
        while (end < bytes.Count && char.IsAsciiDigit((char)bytes[end]))
            end++;
        if (at == bytes.Count)
            return;
        bytes.RemoveRange(at, end - at);
        long value = random.Next(4) switch { 0 => random.Next(64), 1 => random.NextInt64(), 2 => 1L << random.Next(63), _ => (1L << random.Next(1, 63)) - 1 };
        bytes.InsertRange(at, Encoding.UTF8.GetBytes(value.ToString(System.Globalization.CultureInfo.InvariantCulture)));
    }

    /// <summary>The rules of the format, read from the JSON by another parser and checked by marking every byte.</summary>
    private static void CheckIndependently(SafetensorsHeader header, byte[] json, long fileLength)
    {
        using JsonDocument document = JsonDocument.Parse(json, new JsonDocumentOptions { AllowDuplicateProperties = false });
        JsonProperty[] entries = [.. document.RootElement.EnumerateObject().Where(entry => entry.Name != "__metadata__")];
        Assert.Equal(entries.Select(entry => entry.Name).Order(StringComparer.Ordinal), header.Tensors.Select(tensor => tensor.Name).Order(StringComparer.Ordinal));
        bool[] covered = new bool[fileLength - 8 - json.Length];
        foreach (JsonProperty entry in entries)
        {
            SafetensorsTensor tensor = header.Tensors.Single(candidate => candidate.Name == entry.Name);
            long[] offsets = [.. entry.Value.GetProperty("data_offsets").EnumerateArray().Select(value => value.GetInt64())];
            long[] shape = [.. entry.Value.GetProperty("shape").EnumerateArray().Select(value => value.GetInt64())];
            Assert.Equal(shape, tensor.Dimensions);
            Assert.Equal((8 + json.Length + offsets[0], offsets[1] - offsets[0]), (tensor.Offset, tensor.ByteLength));
            string format = entry.Value.GetProperty("dtype").GetString()!;
            Assert.Equal(format, tensor.Format);
            BigInteger bits = format[0] == 'F' && format.StartsWith("F8", StringComparison.Ordinal) || format is "BOOL"
                ? 8 : BigInteger.Parse(format.TrimStart('B', 'F', 'U', 'I', 'C').Split('_')[0], System.Globalization.CultureInfo.InvariantCulture);
            Assert.Equal(shape.Aggregate(bits, (product, length) => product * length), (BigInteger)tensor.ByteLength * 8);
            for (long i = offsets[0]; i < offsets[1]; i++)
            {
                Assert.False(covered[i]);
                covered[i] = true;
            }
        }
        Assert.DoesNotContain(false, covered);
    }
}
