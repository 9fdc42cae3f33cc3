using System.Text;
using Mellum2.Managed.Engine;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Damaged configurations are refused with one sentence or read; what is read is a model that can be built.</summary>
public sealed class ModelConfigurationFuzzTests
{
    private static readonly string[] s_values =
    [
        "null", "true", "false", "0", "1", "-1", "2", "127", "1e3", "0.5", "99999999999", "1e999", "\"\"", "\"x\"", "[]", "[0]", "{}",
        "[\"full_attention\"]", "{\"rope_type\":\"default\",\"rope_theta\":2}", "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]", "\"\\ud800\"",
    ];

    [Fact]
    public void Damaged_configurations_are_refused_or_can_be_built()
    {
        byte[] seed = Encoding.UTF8.GetBytes((ModelConfiguration.Named("mellum2-12b").WithLayers(4) with
        {
            MtpLayerCount = 1,
            Quantization = QuantizationConfiguration.Blocks(["lm_head"]),
        }).ToJson());
        Random random = new(11);
        int accepted = 0;
        for (int i = 0; i < 10_000; i++)
        {
            string text = Encoding.Latin1.GetString(Mutate(seed, random));
            ModelConfiguration configuration;
            try
            {
                configuration = ModelConfiguration.Parse(text, "config.json");
            }
            catch (InvalidInputException e)
            {
                Assert.InRange(e.Message.Length, 10, 500);
                continue;
            }
            accepted++;
            Assert.Equal(configuration.ToJson(), ModelConfiguration.Parse(configuration.ToJson(), "again").ToJson());
            Assert.True(configuration.ParameterCount > 0 && configuration.ActiveParameterCount > 0);
            Assert.Equal(0, configuration.HeadCount % configuration.KeyValueHeadCount);
            foreach (AttentionKind kind in configuration.LayerTypes.Append(configuration.MtpLayerCount == 1 ? configuration.MtpLayerType : configuration.LayerTypes[0]))
                Assert.All(configuration.Rope(kind).InverseFrequencies, frequency => Assert.True(double.IsFinite(frequency)));
        }
        Assert.InRange(accepted, 100, 9_000);
    }

    private static byte[] Mutate(byte[] seed, Random random)
    {
        List<byte> bytes = [.. seed];
        switch (random.Next(4))
        {
            case 0:
                bytes[random.Next(bytes.Count)] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                int at = random.Next(bytes.Count);
                bytes.RemoveRange(at, random.Next(Math.Min(20, bytes.Count - at)));
                break;
            default: // another value for a field
                int[] colons = [.. Enumerable.Range(0, bytes.Count).Where(i => bytes[i] == ':')];
                int start = colons[random.Next(colons.Length)] + 1;
                int end = bytes.FindIndex(start, b => b is (byte)',' or (byte)'}' or (byte)'\n');
                bytes.RemoveRange(start, end - start);
                bytes.InsertRange(start, Encoding.UTF8.GetBytes(s_values[random.Next(s_values.Length)]));
                break;
        }
        return [.. bytes];
    }
}
