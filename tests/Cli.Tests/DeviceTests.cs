using System.CommandLine;
using System.Text.Json;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Cli.Tests;

public sealed class DeviceTests
{
    [Fact]
    public void Doctor_lists_devices_and_says_why_others_are_missing()
    {
        JsonElement json = CommandRun.Of("doctor", "--json").Succeeded().Json;
        JsonElement emulator = json.GetProperty("devices").EnumerateArray().Single(device => device.GetProperty("name").GetString() == "emulator:0");
        Assert.True(emulator.GetProperty("usable").GetBoolean());
        Assert.Equal("cpu", json.GetProperty("device").GetString());
        bool cuda = json.GetProperty("devices").EnumerateArray().Any(device => device.GetProperty("name").GetString()!.StartsWith("cuda", StringComparison.Ordinal));
        Assert.Equal(!cuda, json.GetProperty("missing_devices").EnumerateArray().Any(line => line.GetString()!.StartsWith("CUDA", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("cuda")]
    [InlineData("cuda:99")]
    public void A_device_that_is_not_there_is_one_sentence(string device)
    {
        if (GpuDevices.Find(device) is not null)
            return;
        CommandRun run = CommandRun.Of("generate", "--device", device, "--prompt", "a");
        Assert.Equal(ExitCode.InvalidInput, run.Code);
        Assert.Contains($"\"{device}\"", run.Sentence, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', run.Sentence);
    }

    [Fact]
    public void Tensor_cores_are_turned_off_on_devices_alone()
    {
        CommandRun run = CommandRun.Of("generate", "--device", "cpu", "--tensor-cores", "off", "--prompt", "a");
        Assert.Equal(ExitCode.Usage, run.Code);
        Assert.Equal("--tensor-cores off does not go with --device cpu: the processor has no tensor cores.", run.Error.Split('\n')[0]);
        Assert.Equal(MatrixUnits.None, Units("--device", "cuda", "--tensor-cores", "off"));
        Assert.Equal(MatrixUnits.Automatic, Units("--device", "cuda", "--tensor-cores", "auto"));
        Assert.Equal(MatrixUnits.Automatic, Units("--device", "cuda"));

        static MatrixUnits Units(params string[] args)
        {
            ModelOptions options = new();
            Command command = new("verb");
            options.AddTo(command);
            return ModelLoading.Options(options.Read(command.Parse(args))).MatrixUnits;
        }
    }

    [Fact]
    public void The_reference_kernels_run_on_the_processor_alone()
    {
        CommandRun run = CommandRun.Of("generate", "--device", "emulator", "--reference", "--prompt", "a");
        Assert.NotEqual(ExitCode.Success, run.Code);
        Assert.Contains("emulator:0", run.Sentence, StringComparison.Ordinal);
    }

    [Fact]
    public void Losses_on_a_device_are_those_of_the_processor_up_to_rounding()
    {
        using TemporaryFolder folder = new();
        string sources = TrainFiles.WriteSources(folder, 2), model = Path.Combine(folder.Path, "model"), vocabulary = Path.Combine(folder.Path, "vocabulary");
        Directory.CreateDirectory(model);
        foreach (string file in Directory.GetFiles(Managed.Tests.GoldenFolder.Find("models", "tiny")))
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        // The golden checkpoints have no tokenizer.
        CommandRun.Of("tokenizer", "train", "--input", sources, "--vocabulary", "300", "--output", vocabulary).Succeeded();
        foreach (string file in Directory.GetFiles(vocabulary, "tokenizer*.json"))
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        JsonElement here = Eval("cpu"), there = Eval("emulator");
        Assert.Equal(4, there.GetProperty("tokens").GetInt32());
        foreach (string field in (string[])["tokens", "bytes", "accuracy", "mtp_acceptance"])
            Assert.Equal(here.GetProperty(field).GetDouble(), there.GetProperty(field).GetDouble());
        foreach (string field in (string[])["loss", "perplexity", "bits_per_byte", "mtp_loss"])
            Assert.InRange(there.GetProperty(field).GetDouble() / here.GetProperty(field).GetDouble(), 1 - 1e-5, 1 + 1e-5);

        JsonElement Eval(string device) => CommandRun.Of(
            "eval", "--json", "--model", model, "--device", device, "--input", sources, "--length", "3", "--max-tokens", "4").Succeeded().Json;
    }

    [Fact]
    public void A_trace_on_a_device_is_the_trace_of_the_processor_up_to_rounding()
    {
        using TemporaryFolder folder = new();
        string model = Managed.Tests.GoldenFolder.Find("models", "tiny");
        string[] files = [.. new[] { "cpu", "emulator" }.Select(device =>
        {
            string file = Path.Combine(folder.Path, device + ".safetensors");
            CommandRun.Of("trace", "--model", model, "--device", device, "--prompt-ids", "5", "--output", file).Succeeded();
            return file;
        })];
        byte[] left = File.ReadAllBytes(files[0]), right = File.ReadAllBytes(files[1]);
        Assert.Equal(left.Length, right.Length);
        int header = 8 + (int)BitConverter.ToInt64(left);
        Assert.Equal(left[..header], right[..header]);
        // The first four bytes behind the header are the id; then come float32 numbers and router choices.
        int close = 0, numbers = (left.Length - header) / 4;
        for (int i = 0; i < numbers; i++)
        {
            float a = BitConverter.ToSingle(left, header + 4 * i), b = BitConverter.ToSingle(right, header + 4 * i);
            close += MathF.Abs(a - b) <= 1e-4f * (1 + MathF.Abs(a)) ? 1 : 0;
        }
        Assert.Equal(numbers, close);
    }
}
