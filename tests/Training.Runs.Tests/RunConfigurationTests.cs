using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;

namespace Mellum2.Managed.Training.Runs.Tests;

public sealed class RunConfigurationTests
{
    private const string Least = """{ "data": { "sources": "src" } }""";

    private const string Full = """
        { // A comment.
          "model": { "name": "mini", "shape": { "hidden_size": 64, "num_hidden_layers": 8 }, "mtp": true, "trained": "mtp_head",
            "yarn": { "factor": 4, "original_context": 512, "beta_fast": 16, "beta_slow": 2, "attention_factor": 1.1 } },
          "tokenizer": "/tok",
          "data": { "sources": [
              { "name": "a", "path": ["x", "y.jsonl.gz"], "extensions": ["cs"], "text_field": "content", "strict": true, "fim": 0.5, "spm": 0.25, "weight": 2 },
              { "name": "b", "path": "z", "weight": 1 } ],
            "length": 128, "positions": "run_on", "least_unique": 5, "end_token": "<end>", "validation": { "name": "v", "path": "held" } },
          "phases": [ { "steps": 300, "weights": { "a": 1, "b": 3 } }, { "steps": 200 } ],
          "batch": { "rows": 4, "accumulation": 3 }, "steps": 500,
          "optimizer": { "kind": "adamw", "learning_rate": 0.01, "momentum": 0.9, "weight_decay": 0.2, "coefficients": "near_exact",
            "split_gate_up": true, "scale": 1, "beta1": 0.8, "beta2": 0.9, "epsilon": 1e-6, "clip": 0 },
          "precision": "fp8", "recompute": true,
          "schedule": { "kind": "cosine", "warm_up": 10, "minimum": 1e-4 },
          "losses": { "mtp": 0.2, "balance": 0.01, "z": 0 },
          "evaluation": { "every": 7, "batches": 0, "at_start": true }, "checkpoints": { "every": 9, "keep": 5, "best": false },
          "seed": 18446744073709551615, "threads": 3, "prefetch": 0, // The last one.
        }
        """;

    [Fact]
    public void Data_is_all_that_a_run_file_needs()
    {
        RunConfiguration run = RunConfiguration.Parse(Least, "run.json", "/somewhere");
        Assert.Equal("/somewhere/src", run.Data.Sources[0].Paths[0]);
        Assert.Equal("src", run.Data.Sources[0].Name);
        Assert.Equal(1000, run.Steps);
        Assert.Equal(OptimizerKind.Muon, run.Optimizer.Kind);
        Assert.Equal(0.1, run.Losses.Mtp);
    }

    [Fact]
    public void What_is_written_is_what_was_read()
    {
        RunConfiguration run = RunConfiguration.Parse(Full);
        string written = run.ToJson();
        Assert.Equal(written, RunConfiguration.Parse(written).ToJson());
        Assert.Equal(written, run.Checked().ToJson());
        Assert.Equal(ulong.MaxValue, run.Seed);
        Assert.Equal(TrainedPart.MtpHead, run.Model.Trained);
        Assert.Equal(3, run.Phases[0].Weights!["b"]);
        // Every value above differs from its default, or it would not show that it is read.
        IReadOnlyDictionary<string, string> defaults = RunConfiguration.Parse(Least).Flatten();
        string[] same = [.. run.Flatten().Where(pair => defaults.GetValueOrDefault(pair.Key) == pair.Value).Select(pair => pair.Key)];
        Assert.Equal(["data.held_out", "model.name"], same.Except(["data.held_out"]).Prepend("data.held_out"));
    }

    [Fact]
    public void The_page_about_run_files_states_every_key_and_its_default()
    {
        string page = File.ReadAllText(Path.Combine(GoldenFolder.RepositoryRoot(), "Training", "Runs", "README.md"));
        string stated = page[page.IndexOf("```json\n{\n", StringComparison.Ordinal)..];
        stated = stated["```json\n".Length..stated.IndexOf("\n```", StringComparison.Ordinal)];
        Assert.Equal(RunConfiguration.Parse(Least).ToJson(), RunConfiguration.Parse(stated).ToJson());
        foreach (string key in RunConfiguration.Parse(Least).Flatten().Keys.Where(key => !key.StartsWith("data.sources", StringComparison.Ordinal)))
            Assert.Contains($"\"{key[(key.LastIndexOf('.') + 1)..]}\":", stated, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("optimizer.learning_rat", "1", "optimizer.learning_rat is unknown; the nearest known key is optimizer.learning_rate")]
    [InlineData("stepz", "1", "stepz is unknown; the nearest known key is steps")]
    [InlineData("model.shape.hiden_size", "1", "model.shape.hiden_size is unknown; the nearest known key is model.shape.hidden_size")]
    [InlineData("data.sources.0.fimm", "1", "data.sources.0.fimm is unknown; the nearest known key is data.sources.0.fim")]
    [InlineData("data.sources.1.fim", "1", "\"1\" is no element of a list of 1")]
    [InlineData("data.sources.x.fim", "1", "\"x\" is no element of a list of 1")]
    [InlineData("steps.more", "1", "steps is {\"more\":1}, but a whole number")]
    [InlineData("optimizer.learning_rate.x", "1", "optimizer.learning_rate is")]
    [InlineData("steps", "0", "steps is 0, but a whole number from 1 to")]
    [InlineData("steps", "1.5", "steps is 1.5, but a whole number")]
    [InlineData("steps", "many", "steps is \"many\", but a whole number")]
    [InlineData("seed", "-1", "seed is -1")]
    [InlineData("precision", "f16", "precision is \"f16\", but f32 or bf16 or fp8 is expected")]
    [InlineData("recompute", "1", "recompute is 1, but true or false is expected")]
    [InlineData("optimizer", "[]", "optimizer is [], but an object is expected")]
    [InlineData("optimizer.learning_rate", "-1", "optimizer.learning_rate is -1, but a number from 0 to 100 is expected")]
    [InlineData("optimizer.kind", "sgd", "optimizer.kind is \"sgd\", but muon or adamw is expected")]
    [InlineData("data.length", "1", "data.length is 1, but a whole number from 2")]
    [InlineData("data.sources", "[]", "data.sources is [], but a list with at least one source is expected")]
    [InlineData("data.sources", "[5]", "data.sources.0 is 5, but a path or an object with path is expected")]
    [InlineData("data.sources", "[{}]", "data.sources.0.path is absent, but a path or a list of paths is expected")]
    [InlineData("data.sources", "[\"a\",\"b/a\"]", "two sources named \"a\"")]
    [InlineData("data.sources", "[{\"path\":\"a\",\"weight\":1},\"b\"]", "has a weight for 1 of 2 sources")]
    [InlineData("data.held_out", "0.9", "data.held_out is 0.9, but a number from 0 to 0.5 is expected")]
    [InlineData("phases", "[{\"steps\":3,\"weights\":{\"srk\":1}}]", "phases.0.weights.srk is unknown; the nearest known key is phases.0.weights.src")]
    [InlineData("phases", "[{\"steps\":3,\"weights\":{\"src\":0}}]", "at least one weight above 0")]
    [InlineData("phases", "[{}]", "phases.0.steps is absent")]
    [InlineData("model.name", "maxi", "model.name is \"maxi\", but mini, small-moe or mellum2-12b is expected")]
    [InlineData("model.shape", "{\"hidden_size\":\"big\"}", "model.shape has hidden_size = \"big\"")]
    [InlineData("model.shape", "{\"num_key_value_heads\":3}", "num_key_value_heads")]
    [InlineData("model", "{\"from\":\"x\",\"name\":\"mini\"}", "model.from gives the shape of a checkpoint, so model.name must not be there")]
    [InlineData("model", "{\"mtp\":false,\"trained\":\"mtp_head\"}", "model.trained is mtp_head, but model.mtp is false")]
    [InlineData("model.yarn", "{}", "model.yarn.factor is absent")]
    [InlineData("schedule", "{\"warm_up\":900,\"decay\":200}", "take 1,100 steps, but the run has 1,000")]
    [InlineData("schedule", "{\"kind\":\"cosine\",\"decay\":200}", "schedule.decay is a number of steps, but schedule.kind is not whd")]
    [InlineData("checkpoints.keep", "0", "checkpoints.keep is 0")]
    [InlineData("batch", "{\"rows\":1000000,\"accumulation\":1000000}", "batch.rows times accumulation and steps is more than")]
    [InlineData("batch", "{\"rows\":1048577}", "batch.rows is 1048577")]
    [InlineData("tokenizer", "\"a\\u0000b\"", "but a path is expected")]
    public void What_cannot_be_is_refused_in_one_sentence(string path, string value, string sentence)
    {
        string message = Assert.Throws<InvalidInputException>(() => RunConfiguration.Parse(Least).Set(path, value)).Message;
        Assert.Contains(sentence, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void A_file_that_was_altered_anywhere_is_read_or_refused_in_one_sentence()
    {
        byte[] whole = System.Text.Encoding.UTF8.GetBytes(Full);
        string[] pieces = ["-", "1e999", "99999999999999999999", "null", "\\ud800", "\\u0000", "[", "{", "}", "\"", "0", "true", ",", ":", "\xff", "/*"];
        Random random = new(11);
        int refused = 0;
        for (int round = 0; round < 3000; round++)
        {
            List<byte> altered = [.. whole];
            for (int change = random.Next(1, 4); change > 0; change--)
            {
                int at = random.Next(altered.Count);
                altered.RemoveRange(at, Math.Min(random.Next(4), altered.Count - at));
                if (random.Next(2) == 0)
                    altered.InsertRange(at, pieces[random.Next(pieces.Length)].Select(c => (byte)c));
            }
            try
            {
                RunConfiguration.Parse(System.Text.Encoding.UTF8.GetString([.. altered])).ToJson();
            }
            catch (InvalidInputException e)
            {
                refused++;
                Assert.DoesNotContain('\n', e.Message);
            }
        }
        Assert.InRange(refused, 1500, 2999);
    }

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("[]", "an object is expected")]
    [InlineData("{}", "data is absent")]
    [InlineData("{\"data\":{\"sources\":\"a\"},\"steps\":1,\"steps\":2}", "twice")]
    [InlineData("{\"data\":{\"sources\":\"a\"},\"phases\":[{\"steps\":2}],\"steps\":1}", "steps is 1, but the steps of phases add up to 2")]
    [InlineData("{\"data\":{\"sources\":\"a\",\"held_out\":0},\"evaluation\":{\"every\":5}}", "asks for evaluations")]
    [InlineData("{\"data\":{\"sources\":\"a\",\"held_out\":0.1,\"validation\":\"b\"}}", "data.held_out is above 0")]
    public void A_file_that_is_wrong_as_a_whole_is_refused(string json, string sentence) =>
        Assert.Contains(sentence, Assert.Throws<InvalidInputException>(() => RunConfiguration.Parse(json)).Message, StringComparison.Ordinal);

    [Fact]
    public void Values_are_set_by_their_paths()
    {
        RunConfiguration run = RunConfiguration.Parse(Least)
            .Set("optimizer.learning_rate", "1e-2").Set("optimizer.kind", "adamw").Set("data.sources.0.fim", "0.5").Set("model.from", "/checkpoint").Set("steps", "77");
        Assert.Equal((1e-2, OptimizerKind.AdamW, 77), (run.Optimizer.LearningRate, run.Optimizer.Kind, run.Steps));
        Assert.Equal(0.5, run.Data.Sources[0].FillInTheMiddle);
        Assert.Equal("/checkpoint", run.Model.From);
        // Steps that phases gave go with the phases.
        Assert.Equal(6, RunConfiguration.Parse(Least).Set("phases", "[{\"steps\":5}]").Set("phases.0.steps", "6").Steps);
    }
}
