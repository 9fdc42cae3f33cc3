using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Every golden checkpoint in every format equals a definition written out element by element.</summary>
public sealed class CheckpointConverterGoldenTests
{
    private const int BlockSize = 128;

    public static TheoryData<string, DType> Cases
    {
        get
        {
            TheoryData<string, DType> cases = [];
            foreach (string folder in GoldenCheckpoints.Folders)
                foreach (DType type in (DType[])[DType.F32, DType.BF16, DType.F16, DType.F8E4M3])
                    cases.Add(folder, type);
            return cases;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_conversion_equals_its_definition(string source, DType type)
    {
        using TemporaryFolder folder = new();
        string target = folder.Combine("converted");

        CheckpointConverter.Convert(source, target, new ConversionOptions(type, ShardBytes: 300_000));

        ModelConfiguration before = ModelConfiguration.Load(source), after = ModelConfiguration.Load(target);
        using Checkpoint original = Checkpoint.Open(source);
        using Checkpoint converted = Checkpoint.Open(target);
        Assert.Equal(original.Validate(before), converted.Validate(after));
        Assert.Equal(type == DType.F8E4M3 ? DType.BF16 : type, after.StoredType);
        Assert.Equal(type == DType.F8E4M3, after.Quantization is not null);
        foreach (ExpectedTensor tensor in before.ExpectedTensors(original.HasMtp(before)))
        {
            if (tensor.Shape.Rank == 1)
                CheckVector(original, converted, tensor, type == DType.F8E4M3 ? DType.BF16 : type);
            else
                CheckMatrix(original, converted, tensor, type);
        }
        foreach (string name in (string[])["tokenizer.json", "tokenizer_config.json", "generation_config.json"])
            if (File.Exists(Path.Combine(source, name)))
                Assert.Equal(File.ReadAllBytes(Path.Combine(source, name)), File.ReadAllBytes(Path.Combine(target, name)));
    }

    private static void CheckVector(Checkpoint original, Checkpoint converted, ExpectedTensor tensor, DType type)
    {
        using Tensor before = original.OpenVector(tensor.Name, tensor.Shape.Columns);
        using Tensor after = converted.OpenVector(tensor.Name, tensor.Shape.Columns);
        Assert.Equal(type.Name(), converted.Find(tensor.Name).Stored.Format);
        Assert.Equal(before.Span<float>().ToArray().Select(value => Round(value, type)), after.Span<float>().ToArray());
    }

    private static unsafe void CheckMatrix(Checkpoint original, Checkpoint converted, ExpectedTensor tensor, DType target)
    {
        using WeightMatrix before = original.OpenMatrix(tensor.Name, tensor.Shape.Rows, tensor.Shape.Columns);
        using WeightMatrix after = converted.OpenMatrix(tensor.Name, tensor.Shape.Rows, tensor.Shape.Columns);
        bool isPlain = tensor.Name.Contains("embed_tokens", StringComparison.Ordinal) || tensor.Name.Contains("lm_head", StringComparison.Ordinal)
            || tensor.Name.EndsWith("mlp.gate.weight", StringComparison.Ordinal);
        DType type = target == DType.F8E4M3 && isPlain ? DType.BF16 : target;
        Assert.Equal(type, after.Format);
        float[,] scales = Scales(before);
        for (int row = 0; row < before.Rows; row++)
        {
            for (int column = 0; column < before.Columns; column++)
            {
                if (type != DType.F8E4M3)
                {
                    Assert.Equal(Round(before.At(row, column), type), after.At(row, column));
                    continue;
                }
                float scale = scales[row / BlockSize, column / BlockSize];
                Assert.Equal(scale, after.Scales!.At(row, column));
                Assert.Equal(Float8E4M3.FromSingle(before.At(row, column) / scale).Bits, after.Data.Pointer<byte>()[(long)row * before.Columns + column]);
            }
        }
    }

    private static float Round(float value, DType type) => type switch
    {
        DType.BF16 => BFloat16.FromSingle(value).ToSingle(),
        DType.F16 => Float16.ToSingle(Float16.FromSingle(value)),
        _ => value,
    };

    private static float[,] Scales(WeightMatrix matrix)
    {
        float[,] scales = new float[(matrix.Rows + BlockSize - 1) / BlockSize, (matrix.Columns + BlockSize - 1) / BlockSize];
        for (int row = 0; row < matrix.Rows; row++)
            for (int column = 0; column < matrix.Columns; column++)
                scales[row / BlockSize, column / BlockSize] = Math.Max(scales[row / BlockSize, column / BlockSize], Math.Abs(matrix.At(row, column)));
        for (int i = 0; i < scales.GetLength(0); i++)
            for (int j = 0; j < scales.GetLength(1); j++)
                scales[i, j] = scales[i, j] == 0 ? 1 : scales[i, j] / 448;
        return scales;
    }
}
