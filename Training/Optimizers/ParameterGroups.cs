using Mellum2.Managed.Engine;
using Mellum2.Managed.Model;

namespace Mellum2.Managed.Training;

/// <summary>Matrices of one shape that are orthogonalised in one call, each on its own.</summary>
/// <param name="Name">The name of its parameters, without the numbers of experts.</param>
/// <param name="Rows">The rows of a matrix.</param>
/// <param name="Columns">The columns of a matrix.</param>
/// <param name="Matrices">The parameters of each matrix, stacked along their rows.</param>
public sealed record MuonGroup(string Name, int Rows, int Columns, IReadOnlyList<IReadOnlyList<string>> Matrices);

/// <summary>A parameter of AdamW.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Decays">Whether weight decay applies: not to the weights of norms.</param>
public readonly record struct AdamWEntry(string Name, bool Decays);

/// <summary>
/// Which optimizer updates which parameter. Muon has every matrix but embedding and output head: router and <c>mtp.fc</c>
/// too, q, k and v one by one, the experts of a layer as one batch. AdamW has embedding and head, and without weight decay
/// the vectors.
/// </summary>
/// <param name="Muon">The matrices.</param>
/// <param name="AdamW">The other parameters.</param>
public sealed record ParameterGroups(IReadOnlyList<MuonGroup> Muon, IReadOnlyList<AdamWEntry> AdamW)
{
    private const string Gate = "gate_proj.weight", Up = "up_proj.weight", GateUp = "gate_up_proj.weight";

    /// <summary>The groups of a model.</summary>
    /// <param name="configuration">The model's shape.</param>
    /// <param name="withMtp">Whether its MTP head is trained.</param>
    /// <param name="splitGateUp">Whether gate and up are two matrices; else each [gate; up] is orthogonalised as one.</param>
    /// <param name="trained">Which parameters there are: those of <see cref="TrainingModel.Parameters"/>.</param>
    public static ParameterGroups For(
        ModelConfiguration configuration, bool withMtp, bool splitGateUp = false, TrainedPart trained = TrainedPart.Whole)
    {
        List<AdamWEntry> rest = [];
        List<string> order = [];
        Dictionary<string, List<List<ExpectedTensor>>> groups = new(StringComparer.Ordinal);
        foreach (ExpectedTensor tensor in trained == TrainedPart.MtpHead ? configuration.MtpTensors() : configuration.ExpectedTensors(withMtp))
        {
            if (tensor.Shape.Rank != 2 || tensor.Name is "model.embed_tokens.weight" or "lm_head.weight")
            {
                rest.Add(new AdamWEntry(tensor.Name, tensor.Shape.Rank == 2));
                continue;
            }
            bool gate = IsPart(tensor.Name, Gate), up = IsPart(tensor.Name, Up);
            string name = WithoutExpert(tensor.Name);
            if (!splitGateUp && (gate || up))
                name = name[..^(gate ? Gate : Up).Length] + GateUp;
            if (!groups.TryGetValue(name, out List<List<ExpectedTensor>>? matrices))
            {
                groups.Add(name, matrices = []);
                order.Add(name);
            }
            // The gate of an expert comes before its up.
            if (up && !splitGateUp)
                matrices[^1].Add(tensor);
            else
                matrices.Add([tensor]);
        }
        return new ParameterGroups([.. order.Select(name => Group(name, groups[name]))], rest);
    }

    private static MuonGroup Group(string name, List<List<ExpectedTensor>> matrices) => new(
        name, matrices[0].Sum(part => part.Shape[0]), matrices[0][0].Shape[1],
        [.. matrices.Select(matrix => (IReadOnlyList<string>)[.. matrix.Select(part => part.Name)])]);

    private static bool IsPart(string name, string part) => name.EndsWith("." + part, StringComparison.Ordinal);

    private static string WithoutExpert(string name)
    {
        const string Experts = ".experts.";
        int at = name.IndexOf(Experts, StringComparison.Ordinal);
        return at < 0 ? name : name[..(at + Experts.Length)] + name[(name.IndexOf('.', at + Experts.Length) + 1)..];
    }
}
