using System.Text.Json.Nodes;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Checkpoints that contradict their index, their configuration or themselves.</summary>
public sealed class CheckpointTests
{
    private const string Index = "model.safetensors.index.json";

    [Fact]
    public void A_folder_without_weights_is_named()
    {
        using TemporaryFolder folder = new();

        AssertRefused(() => Checkpoint.Open(folder.Root), "model.safetensors");
        AssertRefused(() => Checkpoint.Open(folder.Combine("none")), "none");
    }

    [Theory]
    [InlineData("../model.safetensors")]
    [InlineData("/etc/passwd")]
    [InlineData("a/b.safetensors")]
    [InlineData("a\\b.safetensors")]
    [InlineData("C:x.safetensors")]
    [InlineData("..")]
    [InlineData("")]
    [InlineData("x\0.safetensors")]
    public void An_index_cannot_leave_its_folder(string shard)
    {
        using TemporaryFolder folder = new();
        WriteIndex(folder, ("x", shard));

        AssertRefused(() => Checkpoint.Open(folder.Root), "a file name within its folder");
    }

    [Theory]
    [InlineData("[]", "an object")]
    [InlineData("{}", "weight_map")]
    [InlineData("""{"weight_map":{}}""", "at least one")]
    [InlineData("""{"weight_map":[]}""", "weight_map")]
    [InlineData("""{"weight_map":{"x":1}}""", "a string")]
    [InlineData("""{"weight_map":{"x":"a","x":"b"}}""", "twice")]
    [InlineData("""{"weight_map":{"x":"a.safetensors"}}""", "not in the folder")]
    [InlineData("{", "not valid JSON")]
    public void A_wrong_index_is_refused(string json, string part)
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.Combine(Index), json);

        AssertRefused(() => Checkpoint.Open(folder.Root), part);
    }

    [Fact]
    public void An_index_and_its_shards_must_agree()
    {
        using TemporaryFolder folder = new();
        const string x = """{"x":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""", y = """{"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}""";
        folder.Write("a.safetensors", x, 1);
        folder.Write("b.safetensors", y, 1);

        WriteIndex(folder, ("x", "a.safetensors"), ("y", "b.safetensors"));
        Checkpoint.Open(folder.Root).Dispose();
        WriteIndex(folder, ("x", "a.safetensors"), ("y", "a.safetensors"));
        AssertRefused(() => Checkpoint.Open(folder.Root), "\"y\", but it has not");
        WriteIndex(folder, ("x", "a.safetensors"));
        Checkpoint.Open(folder.Root).Dispose(); // another file that the index does not name is not looked at
        folder.Write("b.safetensors", """{"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"z":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2);
        WriteIndex(folder, ("x", "a.safetensors"), ("y", "b.safetensors"));
        AssertRefused(() => Checkpoint.Open(folder.Root), "\"z\"");
        folder.Write("b.safetensors", """{"y":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"x":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}""", 2);
        AssertRefused(() => Checkpoint.Open(folder.Root), "\"x\"");
    }

    [Fact]
    public void Missing_wrong_and_unknown_tensors_are_named()
    {
        Rewrite(tensors => tensors.RemoveAll(t => t.Name == "model.norm.weight"), "model.norm.weight");
        Rewrite(tensors => Change(tensors, "model.norm.weight", t => t with { Shape = new Shape(7) }), "[7]");
        Rewrite(tensors => Change(tensors, "model.norm.weight", t => t with { Type = DType.F64 }), "F64");
        Rewrite(tensors => Change(tensors, "model.layers.1.mlp.gate.weight", t => t with { Shape = new Shape(t.Shape[1], t.Shape[0]) }), "mlp.gate");
        Rewrite(tensors => Change(tensors, "model.layers.1.mlp.gate.weight", t => t with { Type = DType.I32 }), "I32");
        Rewrite(tensors => tensors.Add(new("model.layers.0.self_attn.q_proj.bias", DType.F32, new Shape(4))), "q_proj.bias");
        Rewrite(tensors => tensors.Add(new("model.layers.0.self_attn.q_proj.weight_scale", DType.F32, new Shape(1))), "has none");
        Rewrite(tensors => tensors.Add(new("model.layers.0.self_attn.rotary_emb.inv_freq", DType.F32, new Shape(4))), null);
    }

    [Fact]
    public void Half_an_MTP_head_is_refused_by_its_first_missing_tensor()
    {
        Rewrite(tensors => tensors.RemoveAll(t => t.Name == "mtp.fc.weight"), "\"mtp.fc.weight\"");
        Rewrite(tensors => tensors.RemoveAll(t => t.Name.StartsWith("mtp.", StringComparison.Ordinal) && t.Name != "mtp.norm.weight"), "\"mtp.fc.weight\"");
        Rewrite(tensors => tensors.RemoveAll(t => t.Name == "mtp.layers.0.mlp.experts.3.up_proj.weight"), "\"mtp.layers.0.mlp.experts.3.up_proj.weight\"");
        Rewrite(tensors => tensors.RemoveAll(t => t.Name == "mtp.norm.weight"), "\"mtp.norm.weight\"");
        Rewrite(tensors => tensors.RemoveAll(t => t.Name.StartsWith("mtp.", StringComparison.Ordinal)), null);
    }

    [Fact]
    public void An_MTP_head_in_the_layout_of_another_model_is_found()
    {
        using TemporaryFolder folder = new();
        ModelConfiguration configuration = SmallCheckpoint.Configuration;
        int layer = configuration.LayerCount;
        string Rename(string name) => name switch
        {
            "mtp.fc.weight" => $"model.layers.{layer}.eh_proj.weight",
            "mtp.norm.weight" => $"model.layers.{layer}.shared_head.norm.weight",
            "mtp.pre_fc_norm_embedding.weight" => $"model.layers.{layer}.enorm.weight",
            "mtp.pre_fc_norm_hidden.weight" => $"model.layers.{layer}.hnorm.weight",
            _ => name.Replace("mtp.layers.0.", $"model.layers.{layer}.", StringComparison.Ordinal),
        };
        SmallCheckpoint.Write(folder.Combine("ours"), configuration);
        SmallCheckpoint.Write(folder.Combine("theirs"), configuration, Rename);
        using Checkpoint original = Checkpoint.Open(folder.Combine("ours"));

        using Checkpoint checkpoint = Checkpoint.Open(folder.Combine("theirs"));

        Assert.True(checkpoint.Validate(configuration));
        using WeightMatrix expected = original.OpenMatrix("mtp.fc.weight", configuration.HiddenSize, 2 * configuration.HiddenSize);
        using WeightMatrix actual = checkpoint.OpenMatrix("mtp.fc.weight", configuration.HiddenSize, 2 * configuration.HiddenSize);
        Assert.Equal(expected.Data.Span<float>().ToArray(), actual.Data.Span<float>().ToArray());
        AssertRefused(() => checkpoint.Validate(configuration.WithLayers(layer + 1)), $"layer {layer}");
    }

    [Fact]
    public void Without_a_word_in_the_configuration_the_tensors_decide_about_MTP()
    {
        using TemporaryFolder folder = new();
        ModelConfiguration configuration = SmallCheckpoint.Configuration;
        SmallCheckpoint.Write(folder.Root, configuration);
        using Checkpoint checkpoint = Checkpoint.Open(folder.Root);

        Assert.True(checkpoint.HasMtp(configuration with { MtpLayerCount = null }));
        Assert.False(checkpoint.HasMtp(configuration with { MtpLayerCount = 0 }));
        Assert.False(checkpoint.Validate(configuration with { MtpLayerCount = 0 }));
    }

    [Theory]
    [InlineData("_scale", "1", DType.F32, 0.5f)]
    [InlineData("_scale", "", DType.BF16, 0.5f)]
    [InlineData("_scale", "4 1", DType.F32, 0.5f)]
    [InlineData("_scale", "4", DType.F32, 0.5f)]
    [InlineData("_scale_inv", "1 2", DType.F32, 0.5f)]
    [InlineData("_scale_inv", "1 2", DType.BF16, 0.5f)]
    [InlineData("_scale_inv", "2 1", DType.F32, null)]
    [InlineData("_scale_inv", "1 2", DType.F16, null)]
    [InlineData("_scale", "", DType.F64, null)]
    [InlineData(null, "", DType.F32, 1f)]
    public void FP8_matrices_have_the_scales_of_their_tensor(string? suffix, string shape, DType type, float? scale)
    {
        using TemporaryFolder folder = new();
        const int rows = 4, columns = 130;
        List<TensorDeclaration> tensors = [new("a.weight", DType.F8E4M3, new Shape(rows, columns))];
        if (suffix is not null)
            tensors.Add(new("a.weight" + suffix, type, Shape.Of([.. shape.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse)])));
        using (CheckpointWriter writer = new(folder.Root, tensors))
        {
            foreach (TensorDeclaration tensor in tensors)
                for (long i = 0; i < tensor.Shape.Count; i++)
                    writer.Write(tensor.Name, tensor.Type switch
                    {
                        DType.F8E4M3 => [Float8E4M3.FromSingle(3).Bits],
                        DType.BF16 => BitConverter.GetBytes(BFloat16.FromSingle(0.5f).Bits),
                        DType.F32 => BitConverter.GetBytes(0.5f),
                        _ => new byte[tensor.Type.Size()],
                    });
            writer.Complete();
        }
        using Checkpoint checkpoint = Checkpoint.Open(folder.Root);

        if (scale is null)
        {
            AssertRefused(() => checkpoint.OpenMatrix("a.weight", rows, columns), "scale");
            return;
        }
        using WeightMatrix matrix = checkpoint.OpenMatrix("a.weight", rows, columns);
        Assert.Equal(3 * scale, matrix.At(0, 0));
        Assert.Equal(3 * scale, matrix.At(rows - 1, columns - 1));
    }

    private static void Rewrite(Action<List<TensorDeclaration>> change, string? part)
    {
        using TemporaryFolder folder = new();
        ModelConfiguration configuration = SmallCheckpoint.Configuration;
        List<TensorDeclaration> tensors = SmallCheckpoint.Declarations(configuration);
        change(tensors);
        using (CheckpointWriter writer = new(folder.Root, tensors))
        {
            foreach (TensorDeclaration tensor in tensors)
                writer.Write(tensor.Name, new byte[tensor.ByteLength]);
            writer.Complete();
        }
        using Checkpoint checkpoint = Checkpoint.Open(folder.Root);
        if (part is null)
            checkpoint.Validate(configuration);
        else
            AssertRefused(() => checkpoint.Validate(configuration), part);
    }

    private static void Change(List<TensorDeclaration> tensors, string name, Func<TensorDeclaration, TensorDeclaration> change)
    {
        int index = tensors.FindIndex(tensor => tensor.Name == name);
        tensors[index] = change(tensors[index]);
    }

    private static void WriteIndex(TemporaryFolder folder, params (string Tensor, string Shard)[] entries)
    {
        JsonObject map = [];
        foreach ((string tensor, string shard) in entries)
            map[tensor] = shard;
        File.WriteAllText(folder.Combine(Index), new JsonObject { ["weight_map"] = map }.ToJsonString());
    }

    private static void AssertRefused(Action action, string part) =>
        Assert.Contains(part, Assert.Throws<InvalidInputException>(action).Message, StringComparison.Ordinal);

    private static void AssertRefused<T>(Func<T> action, string part) => AssertRefused(() => { _ = action(); }, part);
}
