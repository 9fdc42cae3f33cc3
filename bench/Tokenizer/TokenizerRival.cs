using System.ComponentModel;
using System.Diagnostics;
using System.Text.Json;

namespace Mellum2.Managed.Bench;

/// <summary>Hugging Face's <c>tokenizers</c> from npm in a node process that encodes when it is told to, so that rounds can alternate.</summary>
internal sealed class TokenizerRival : IDisposable
{
    private const string Package = "tokenizers@0.23";

    // Only encoding is timed; reading the ids out of the library's result is not.
    private const string Script = """
        const { Tokenizer } = require('tokenizers');
        const fs = require('fs');
        const tokenizer = Tokenizer.fromFile(process.argv[2]);
        const texts = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));
        const lines = require('readline').createInterface({ input: process.stdin });
        (async () => {
          console.log('ready');
          for await (const line of lines) {
            let nanoseconds = 0n, hash = 2166136261, count = 0;
            for (const text of texts) {
              const start = process.hrtime.bigint();
              const encoding = await tokenizer.encode(text, null, { addSpecialTokens: false });
              nanoseconds += process.hrtime.bigint() - start;
              for (const id of encoding.getIds()) {
                hash = Math.imul(hash ^ id, 16777619) >>> 0;
                count++;
              }
            }
            console.log(JSON.stringify({ seconds: Number(nanoseconds) / 1e9, hash, count }));
          }
        })();
        """;

    private readonly Process _process;

    private TokenizerRival(Process process) => _process = process;

    /// <summary>Installs the package in a folder for temporary files, if it is not there, and starts the process.</summary>
    /// <param name="tokenizerFile">The <c>tokenizer.json</c>.</param>
    /// <param name="texts">What each round encodes.</param>
    /// <param name="name">The rival's name with its version, or why there is none.</param>
    public static TokenizerRival? Start(string tokenizerFile, string[] texts, out string name)
    {
        string folder = Path.Combine(Path.GetTempPath(), "mellum2-bench-tokenizers");
        Directory.CreateDirectory(folder);
        string package = Path.Combine(folder, "node_modules", "tokenizers", "package.json");
        try
        {
            if (!File.Exists(package))
            {
                File.WriteAllText(Path.Combine(folder, "package.json"), "{\"private\":true}");
                string npm = OperatingSystem.IsWindows() ? "npm.cmd" : "npm";
                using Process install = Launch(npm, folder, "install", "--no-audit", "--no-fund", "--silent", Package);
                install.StandardOutput.ReadToEnd();
                install.WaitForExit();
                if (install.ExitCode != 0 || !File.Exists(package))
                {
                    name = $"npm install {Package} failed with exit code {install.ExitCode}";
                    return null;
                }
            }
            string script = Path.Combine(folder, "rival.js"), input = Path.Combine(folder, "texts.json");
            File.WriteAllText(script, Script);
            File.WriteAllText(input, JsonSerializer.Serialize(texts));
            var rival = new TokenizerRival(Launch("node", folder, script, tokenizerFile, input));
            if (rival._process.StandardOutput.ReadLine() != "ready")
            {
                rival.Dispose();
                name = "node could not load the package or the file";
                return null;
            }
            using JsonDocument about = JsonDocument.Parse(File.ReadAllText(package));
            name = $"tokenizers {about.RootElement.GetProperty("version").GetString()} (Rust, npm)";
            return rival;
        }
        catch (Win32Exception)
        {
            name = "node or npm is not installed";
            return null;
        }
    }

    /// <summary>One round over all texts.</summary>
    public (double Seconds, uint Hash, int Count) Encode()
    {
        _process.StandardInput.WriteLine("encode");
        string line = _process.StandardOutput.ReadLine()
            ?? throw new InvalidOperationException("The node process ended before it answered.");
        using JsonDocument answer = JsonDocument.Parse(line);
        JsonElement root = answer.RootElement;
        return (root.GetProperty("seconds").GetDouble(), root.GetProperty("hash").GetUInt32(), root.GetProperty("count").GetInt32());
    }

    /// <summary>Ends the process.</summary>
    public void Dispose()
    {
        _process.StandardInput.Close();
        if (!_process.WaitForExit(5000))
            _process.Kill();
        _process.Dispose();
    }

    private static Process Launch(string program, string folder, params string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        };
        return Process.Start(start)!;
    }
}
