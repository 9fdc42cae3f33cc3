using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>The golden checkpoints open, fit their configuration and give every tensor.</summary>
public sealed class CheckpointGoldenTests
{
    public static TheoryData<string> Folders => [.. GoldenCheckpoints.Folders];

    [Theory]
    [MemberData(nameof(Folders))]
    public void A_golden_checkpoint_fits_its_configuration(string folder)
    {
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);

        bool hasMtp = checkpoint.Validate(configuration);

        Assert.Equal(configuration.MtpLayerCount == 1, hasMtp);
        Assert.Equal(configuration.ExpectedTensors(hasMtp).Count(), checkpoint.Tensors.Count);
        Assert.Equal(
            configuration.ParameterCount + (hasMtp ? configuration.MtpParameterCount : 0),
            checkpoint.Tensors.Sum(tensor => tensor.Stored.Count));
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Every_tensor_of_a_golden_checkpoint_opens(string folder)
    {
        ModelConfiguration configuration = ModelConfiguration.Load(folder);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        foreach (ExpectedTensor expected in configuration.ExpectedTensors(checkpoint.HasMtp(configuration)))
        {
            if (expected.Shape.Rank == 1)
            {
                using Tensor vector = checkpoint.OpenVector(expected.Name, expected.Shape.Columns);
                Assert.Equal(DType.F32, vector.Type);
                Assert.All(vector.Span<float>().ToArray(), value => Assert.True(float.IsFinite(value)));
            }
            else
            {
                using WeightMatrix matrix = checkpoint.OpenMatrix(expected.Name, expected.Shape.Rows, expected.Shape.Columns);
                Assert.Equal(configuration.StoredType, matrix.Format);
                Assert.True(float.IsFinite(matrix.At(0, 0)));
                Assert.True(float.IsFinite(matrix.At(matrix.Rows - 1, matrix.Columns - 1)));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Expected_outputs_of_a_golden_checkpoint_open(string folder)
    {
        using SafetensorsFile file = SafetensorsFile.Open(Path.Combine(folder, "expected.safetensors"));
        foreach (SafetensorsTensor stored in file.Tensors)
        {
            using Tensor tensor = file.OpenTensor(stored);
            Assert.Equal(stored.ByteLength, tensor.ByteLength);
        }
    }

    [Theory]
    [MemberData(nameof(Folders))]
    public void Written_configuration_reads_as_the_same(string folder)
    {
        ModelConfiguration configuration = ModelConfiguration.Load(folder);

        string json = configuration.ToJson();

        Assert.Equal(json, ModelConfiguration.Parse(json, "written").ToJson());
    }
}

/// <summary>The folders below tests/golden that hold a checkpoint.</summary>
internal static class GoldenCheckpoints
{
    public static IEnumerable<string> Folders =>
        Directory.EnumerateFiles(GoldenFolder.Root, "config.json", SearchOption.AllDirectories)
            .Where(path => Directory.EnumerateFiles(Path.GetDirectoryName(path)!, "model*.safetensors").Any())
            .Select(path => Path.GetDirectoryName(path)!).Order(StringComparer.Ordinal);
}
