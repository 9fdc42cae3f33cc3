using System.Diagnostics;
using System.Text.Json;

namespace Mellum2.Managed.Cli.Tests;

/// <summary>What only a real process shows: signals, closed pipes, narrower instruction sets.</summary>
public sealed class ChildProcessTests
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);
    private static readonly string[] s_long = ["generate", "--prompt", "public class ", "--max-tokens", "2000", "--reference", "--speculate", "off"];
    private static readonly string[] s_short = ["generate", "--prompt", "public static int ", "--max-tokens", "24", "--json"];

    [Fact]
    public async Task Ctrl_c_in_a_stream_keeps_the_text_and_returns_130()
    {
        if (OperatingSystem.IsWindows())
            return;
        using Process child = ChildProcess.Start([], s_long);
        Task<string> error = child.StandardError.ReadToEndAsync();
        char[] first = new char[4];
        await child.StandardOutput.ReadBlockAsync(first);
        await ChildProcess.Interrupt(child);
        string rest = await child.StandardOutput.ReadToEndAsync();
        await End(child);
        Assert.Equal(ExitCode.Cancelled, child.ExitCode);
        Assert.True(rest.Length > 0);
        Assert.Contains("ended by Ctrl+C", await error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", await error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Ctrl_c_while_chat_waits_for_a_turn_returns_130()
    {
        if (OperatingSystem.IsWindows())
            return;
        using Process child = ChildProcess.Start([], "chat", "--max-tokens", "4");
        await child.StandardInput.WriteAsync("Hello\n");
        await child.StandardInput.FlushAsync();
        Assert.NotNull(await child.StandardOutput.ReadLineAsync());
        await ChildProcess.Interrupt(child);
        string error = await child.StandardError.ReadToEndAsync();
        await End(child);
        Assert.Equal(ExitCode.Cancelled, child.ExitCode);
        Assert.DoesNotContain("   at ", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_reader_that_goes_away_ends_the_command_quietly()
    {
        using Process child = ChildProcess.Start([], s_long);
        Task<string> error = child.StandardError.ReadToEndAsync();
        char[] first = new char[4];
        await child.StandardOutput.ReadBlockAsync(first);
        child.StandardOutput.Close();
        await End(child);
        Assert.Equal(ExitCode.Success, child.ExitCode);
        // Only the line that says what runs: no complaint, and no statistics of a run that did not end.
        Assert.Single((await error).Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Theory]
    [InlineData("DOTNET_EnableAVX512", "512")]
    [InlineData("DOTNET_EnableAVX2", "256")]
    public async Task A_narrower_processor_gives_the_same_numbers(string switchName, string missingWidth)
    {
        KeyValuePair<string, string>[] narrow = [new(switchName, "0")];
        JsonElement wide = await RunJson([], s_short), other = await RunJson(narrow, s_short);
        foreach (string field in (string[])["prompt_ids", "ids", "log_probabilities", "text"])
            Assert.Equal(wide.GetProperty(field).GetRawText(), other.GetProperty(field).GetRawText());
        JsonElement doctor = await RunJson(narrow, "doctor", "--json");
        string[] narrower = missingWidth == "512" ? ["256", "128", "scalar"] : ["128", "scalar"];
        Assert.Contains(doctor.GetProperty("widest_vectors").GetString(), narrower);
        Assert.Equal("passed", doctor.GetProperty("self_test").GetString());
    }

    [Fact]
    public async Task A_real_process_answers_on_its_streams()
    {
        using Process child = ChildProcess.Start([], "tokenize", "--prompt", "-", "--count");
        await child.StandardInput.WriteAsync("int x");
        child.StandardInput.Close();
        string output = await child.StandardOutput.ReadToEndAsync();
        await End(child);
        Assert.Equal(ExitCode.Success, child.ExitCode);
        Assert.Equal(CommandRun.Of("tokenize", "--prompt", "int x", "--count").Output, output);
    }

    private static async Task<JsonElement> RunJson(IEnumerable<KeyValuePair<string, string>> environment, params string[] args)
    {
        using Process child = ChildProcess.Start(environment, args);
        Task<string> error = child.StandardError.ReadToEndAsync();
        string output = await child.StandardOutput.ReadToEndAsync();
        await End(child);
        Assert.True(child.ExitCode == ExitCode.Success, await error);
        return JsonDocument.Parse(output).RootElement;
    }

    private static async Task End(Process child)
    {
        using CancellationTokenSource patience = new(s_patience);
        try
        {
            await child.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            child.Kill();
            Assert.Fail("The process did not end.");
        }
    }
}
