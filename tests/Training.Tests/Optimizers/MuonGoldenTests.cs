using System.Globalization;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Tests;

public class MuonGoldenTests
{
    private static readonly (string Word, MuonCoefficients Set)[] s_sets =
        [("quintic", MuonCoefficients.Quintic), ("simple", MuonCoefficients.Simple), ("oracle", MuonCoefficients.NearExact)];

    [Fact]
    public void Coefficients_are_those_of_the_manifest()
    {
        using JsonDocument manifest = JsonDocument.Parse(File.ReadAllBytes(GoldenFolder.Find("numerics", "muon.json")));
        foreach ((string word, _) in s_sets)
        {
            NewtonSchulzStep[] want = [.. manifest.RootElement.GetProperty("coefficients").GetProperty(word).EnumerateArray()
                .Select(step => new NewtonSchulzStep(step[0].GetDouble(), step[1].GetDouble(), step[2].GetDouble()))];
            Assert.Equal(want, Steps(word).ToArray());
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "muon", MemberType = typeof(BackEnds))]
    public void Orthogonalises(string name, string golden)
    {
        IOptimizerKernels kernels = BackEnds.Get(name);
        GoldenCase item = GoldenManifest.Numerics("muon")[golden];
        foreach ((string word, _) in s_sets)
        {
            using Tensor u = kernels.Input(item["g1"]), o = kernels.Zeros(u.Shape);
            kernels.NewtonSchulz(u, Steps(word), item.Number("eps"), o);
            double[] got = o.Read();
            item["ns_" + word].Check(got);
            kernels.NewtonSchulz(u, Steps(word), item.Number("eps"), u);
            Assert.Equal(got, u.Read());
            if (item.Parameters.GetProperty("zero_matrix") is { ValueKind: JsonValueKind.Number } zero)
            {
                int size = u.Shape[1] * u.Columns;
                Assert.All(got.Skip(zero.GetInt32() * size).Take(size), value => Assert.Equal(0.0, value));
            }
        }
    }

    [Theory]
    [MemberData(nameof(BackEnds.WithGoldens), "muon", MemberType = typeof(BackEnds))]
    public void Steps_follow_the_goldens(string name, string golden)
    {
        IOptimizerKernels kernels = BackEnds.Get(name);
        GoldenCase item = GoldenManifest.Numerics("muon")[golden];
        foreach ((string word, MuonCoefficients set) in s_sets.Where(set => item.Has("w1_" + set.Word)))
        {
            using MuonRun run = new(kernels, item, set);
            for (int step = 1; item.Has(Invariant($"g{step}")); step++)
            {
                run.Step(item[Invariant($"g{step}")].Singles());
                if (item.Has(Invariant($"w{step}_{word}")))
                    item[Invariant($"w{step}_{word}")].Check(run.Read(parameter => parameter.Weight));
                if (item.Has(Invariant($"m{step}")))
                    item[Invariant($"m{step}")].Check(run.Momentum());
            }
        }
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);

    private static ReadOnlySpan<NewtonSchulzStep> Steps(string word) =>
        word == "quintic" ? NewtonSchulzSteps.Quintic : word == "simple" ? NewtonSchulzSteps.Simple : NewtonSchulzSteps.NearExact;

    /// <summary>Muon on the matrices of a case; every other one is stacked of two parameters.</summary>
    private sealed class MuonRun : IDisposable
    {
        private readonly List<OptimizerParameter> _parameters = [];
        private readonly double _learningRate;
        private readonly Muon _muon;

        public MuonRun(IOptimizerKernels kernels, GoldenCase golden, MuonCoefficients set)
        {
            int[] shape = golden["w0"].Shape;
            (int rows, int columns) = (shape[^2], shape[^1]);
            float[] weights = golden["w0"].Singles();
            List<IReadOnlyList<OptimizerParameter>> matrices = [];
            for (int matrix = 0; matrix < weights.Length / (rows * columns); matrix++)
            {
                int[] heights = matrix % 2 == 1 ? [rows / 3, rows - rows / 3] : [rows];
                int first = matrix * rows;
                List<OptimizerParameter> parts = [];
                foreach (int height in heights)
                {
                    Shape part = new(height, columns);
                    parts.Add(new OptimizerParameter($"{first}", kernels.Input(part, weights.AsSpan(first * columns, height * columns)), kernels.Zeros(part)));
                    first += height;
                }
                _parameters.AddRange(parts);
                matrices.Add(parts);
            }
            _learningRate = golden.Number("lr");
            _muon = new Muon(
                kernels, new MuonOptions(golden.Number("momentum"), golden.Number("weight_decay"), Epsilon: golden.Number("eps"), Coefficients: set),
                [new MuonBatch(golden.Name, matrices)]);
        }

        public void Step(ReadOnlySpan<float> gradient)
        {
            foreach (OptimizerParameter parameter in _parameters)
            {
                parameter.Gradient.WriteSingles(gradient[..(int)parameter.Gradient.Count]);
                gradient = gradient[(int)parameter.Gradient.Count..];
            }
            _muon.Step(_learningRate);
        }

        public double[] Read(Func<OptimizerParameter, Tensor> which) => [.. _parameters.SelectMany(parameter => which(parameter).Read())];

        public double[] Momentum() => [.. _muon.State.SelectMany(entry => entry.Value.Read())];

        public void Dispose()
        {
            _muon.Dispose();
            foreach (OptimizerParameter parameter in _parameters)
            {
                parameter.Weight.Dispose();
                parameter.Gradient.Dispose();
            }
        }
    }
}
