using Mellum2.Managed.Model;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

public class ParameterGroupsTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Every_parameter_has_one_optimizer(bool withMtp, bool split)
    {
        foreach (ModelConfiguration model in new[] { ModelConfiguration.Named("mellum2-12b"), Mini() })
        {
            ParameterGroups groups = ParameterGroups.For(model, withMtp, split);
            Dictionary<string, ExpectedTensor> tensors = model.ExpectedTensors(withMtp).ToDictionary(tensor => tensor.Name);
            string[] muon = [.. groups.Muon.SelectMany(group => group.Matrices).SelectMany(matrix => matrix)];
            string[] all = [.. muon.Concat(groups.AdamW.Select(entry => entry.Name))];
            Assert.Equal(tensors.Keys.Order(), all.Order());
            Assert.All(muon, name => Assert.Equal(2, tensors[name].Shape.Rank));
            Assert.All(groups.AdamW, entry => Assert.Equal(tensors[entry.Name].Shape.Rank == 2, entry.Decays));
            Assert.Equal(["lm_head.weight", "model.embed_tokens.weight"], groups.AdamW.Where(entry => entry.Decays).Select(entry => entry.Name).Order());
            foreach (MuonGroup group in groups.Muon)
            {
                Assert.All(group.Matrices, matrix => Assert.Equal(group.Rows, matrix.Sum(part => tensors[part].Shape[0])));
                Assert.All(group.Matrices.SelectMany(matrix => matrix), part => Assert.Equal(group.Columns, tensors[part].Shape[1]));
            }
            Assert.Equal(withMtp, groups.Muon.Any(group => group.Name == "mtp.fc.weight"));
        }
    }

    [Fact]
    public void Experts_of_a_layer_are_one_batch_and_q_k_v_stand_alone()
    {
        ModelConfiguration model = ModelConfiguration.Named("mellum2-12b");
        ParameterGroups joint = ParameterGroups.For(model, true), split = ParameterGroups.For(model, true, splitGateUp: true);
        MuonGroup both = Find(joint, "model.layers.3.mlp.experts.gate_up_proj.weight");
        Assert.Equal((2 * model.ExpertSize, model.HiddenSize, model.ExpertCount), (both.Rows, both.Columns, both.Matrices.Count));
        Assert.Equal(["model.layers.3.mlp.experts.5.gate_proj.weight", "model.layers.3.mlp.experts.5.up_proj.weight"], both.Matrices[5]);
        MuonGroup gate = Find(split, "model.layers.3.mlp.experts.gate_proj.weight");
        Assert.Equal((model.ExpertSize, model.ExpertCount), (gate.Rows, gate.Matrices.Count));
        Assert.Equal(["mtp.layers.0.mlp.experts.63.down_proj.weight"], Find(joint, "mtp.layers.0.mlp.experts.down_proj.weight").Matrices[63]);
        foreach (string name in new[] { "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate" })
            Assert.Equal([$"model.layers.0.{name}.weight"], Assert.Single(Find(joint, $"model.layers.0.{name}.weight").Matrices));
    }

    internal static ModelConfiguration Mini() => ModelConfiguration.Load(GoldenFolder.Find("mini"));

    private static MuonGroup Find(ParameterGroups groups, string name) => Assert.Single(groups.Muon, group => group.Name == name);
}
