namespace Mellum2.Managed.Cli;

/// <summary>The examples under each verb's help.</summary>
internal static class Examples
{
    public static IEnumerable<string> Of(string verb) => verb switch
    {
        "generate" =>
        [
            "mellum2 generate --prompt \"public static int Add(\" --max-tokens 40",
            "mellum2 generate --file Program.cs --line 12 --column 9 --context-file Shapes.cs",
            "git diff | mellum2 generate --prompt - --temperature 0.6 --top-p 0.95 --top-k 20 --seed 7",
            "mellum2 generate --model ./mellum2-12b --prompt-file prompt.txt --speculate 3 --draft mtp --json",
        ],
        "chat" =>
        [
            "mellum2 chat --model ./mellum2-12b-instruct --temperature 0.6 --top-p 0.95 --top-k 20",
            "printf 'Hello\\nAnd in C#?\\n' | mellum2 chat --system \"Answer briefly.\" --json",
        ],
        "tokenize" =>
        [
            "mellum2 tokenize --prompt \"int x = 42;\"",
            "mellum2 tokenize --prompt-file Program.cs --count",
            "mellum2 tokenize --decode 27,318,28",
        ],
        "inspect" =>
        [
            "mellum2 inspect --model ./mellum2-12b --context 32768",
            "mellum2 inspect --shape mellum2-12b --dtype fp8 --json",
        ],
        "convert" => ["mellum2 convert --model ./mellum2-12b --output ./mellum2-12b-fp8 --dtype fp8"],
        "data" or "data tokenize" =>
        [
            "mellum2 data tokenize --input ./src --extension cs,md --output ./tokens",
            "mellum2 data tokenize --input corpus.jsonl.zst --field content --model ./mellum2-12b --output ./tokens",
        ],
        "data pack" =>
        [
            "mellum2 data pack --input ./tokens --length 8192 --output ./packed",
            "mellum2 data pack --input ./tokens --length 8192 --fim-rate 0.5 --seed 7 --output ./packed",
        ],
        "data inspect" => ["mellum2 data inspect --input ./packed --verify"],
        "data decode" => ["mellum2 data decode --input ./packed --item 3", "mellum2 data decode --input ./tokens --count 100 --json"],
        "tokenizer" or "tokenizer train" =>
        [
            "mellum2 tokenizer train --input ./src --extension cs --vocabulary 16384 --output ./tokenizer",
            "mellum2 tokenize --model ./tokenizer --prompt \"int x = 42;\"",
        ],
        "train" =>
        [
            "mellum2 train --demo ./src",
            "mellum2 train run.json --output ./run --set steps=2000 batch.rows=32",
            "mellum2 train --resume ./run",
            "mellum2 train run.json --sweep optimizer.learning_rate=1e-3,3e-3,1e-2 --output ./sweep",
            "",
            "A run file; every value but data.sources may be left out, and run.json in the run's folder has all of them:",
            "  {",
            "    \"model\": { \"name\": \"mini\", \"shape\": { \"num_hidden_layers\": 6 } },",
            "    \"data\": { \"sources\": [{ \"path\": \"./src\", \"extensions\": [\"cs\"], \"fim\": 0.5 }], \"length\": 256 },",
            "    \"batch\": { \"rows\": 16 }, \"steps\": 1000,",
            "    \"optimizer\": { \"kind\": \"muon\", \"learning_rate\": 5e-3 }, \"precision\": \"f32\"",
            "  }",
        ],
        "eval" =>
        [
            "mellum2 eval --model ./run/checkpoints/best --input ./src --extension cs",
            "mellum2 eval --model ./mellum2-12b-fp8 --packed ./packed --max-tokens 100000 --json",
        ],
        "plot" =>
        [
            "mellum2 plot ./run --output curves.svg",
            "mellum2 plot ./run-a ./run-b ./run-c/metrics.jsonl --x tokens --output curves.svg",
            "mellum2 plot ./run ./sweep --output curves.svg",
        ],
        "trace" =>
        [
            "mellum2 trace --prompt \"int x\" --output trace.safetensors",
            "mellum2 trace --prompt \"int x\" --output trace.safetensors --attention 0,3 --reference",
        ],
        "bench" =>
        [
            "mellum2 bench --model ./mellum2-12b-fp8",
            "mellum2 bench --shape mellum2-12b --layers 4 --dtype fp8 --prompt-tokens 512 --decode-tokens 64 --rounds 5 --json",
        ],
        "doctor" => ["mellum2 doctor", "mellum2 doctor --threads 1 --width 256 --json"],
        _ =>
        [
            "mellum2 generate --prompt \"public static int Add(\"",
            "mellum2 chat --model ./mellum2-12b-instruct",
            "mellum2 generate --help",
        ],
    };
}
