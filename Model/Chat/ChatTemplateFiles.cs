using System.Text.Json;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>The templates and special tokens that a checkpoint's folder holds.</summary>
internal sealed record ChatTemplateFiles((string Text, string Name)? Default, (string Text, string Name)? ToolUse, IReadOnlyDictionary<string, object?> Tokens)
{
    private const string TemplateFile = "chat_template.jinja";
    private const string ConfigFile = "tokenizer_config.json";
    private const int MaxConfigBytes = 64 << 20;

    private static readonly string[] s_tokenNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];

    public static ChatTemplateFiles Read(string folder)
    {
        string templatePath = Path.Combine(folder, TemplateFile), configPath = Path.Combine(folder, ConfigFile);
        (string, string)? standard = File.Exists(templatePath) ? (ReadText(templatePath, JinjaLimits.Default.SourceLength * 4), templatePath) : null;
        if (!File.Exists(configPath)) return new ChatTemplateFiles(standard, null, new Dictionary<string, object?>());

        using JsonDocument config = Parse(configPath);
        Dictionary<string, object?> tokens = ReadTokens(config.RootElement, configPath);
        if (standard is not null || !config.RootElement.TryGetProperty("chat_template", out JsonElement template) || template.ValueKind == JsonValueKind.Null)
            return new ChatTemplateFiles(standard, null, tokens);
        if (template.ValueKind == JsonValueKind.String) return new ChatTemplateFiles((Text(template, configPath), configPath), null, tokens);
        if (template.ValueKind != JsonValueKind.Array)
            throw new InvalidInputException($"{configPath}: 'chat_template' must be a text or a list of named templates, not {template.ValueKind}.");
        return new ChatTemplateFiles(
            Named(template, "default", configPath) ?? throw new InvalidInputException($"{configPath}: 'chat_template' lists no template with the name \"default\"."),
            Named(template, "tool_use", configPath), tokens);
    }

    private static string ReadText(string path, int most)
    {
        try
        {
            long length = new FileInfo(path).Length;
            if (length > most) throw new InvalidInputException($"{path} has {length} bytes; at most {most} are allowed.");
            return File.ReadAllText(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new InvalidInputException($"{path} cannot be read: {e.Message}", e);
        }
    }

    private static JsonDocument Parse(string path)
    {
        try
        {
            JsonDocument config = JsonDocument.Parse(ReadText(path, MaxConfigBytes), new JsonDocumentOptions { MaxDepth = 64 });
            if (config.RootElement.ValueKind == JsonValueKind.Object) return config;
            config.Dispose();
            throw new InvalidInputException($"{path} must hold a JSON object.");
        }
        catch (JsonException e)
        {
            throw new InvalidInputException($"{path} is no valid JSON: {e.Message}", e);
        }
    }

    private static (string, string)? Named(JsonElement list, string name, string path)
    {
        foreach (JsonElement entry in list.EnumerateArray())
        {
            if (entry.ValueKind != JsonValueKind.Object || !entry.TryGetProperty("name", out JsonElement entryName) || !entry.TryGetProperty("template", out JsonElement template))
                throw new InvalidInputException($"{path}: every entry of 'chat_template' must be an object with 'name' and 'template'.");
            if (Text(entryName, path) == name) return (Text(template, path), $"{path} (template \"{name}\")");
        }
        return null;
    }

    private static string Text(JsonElement element, string path) => PythonJson.FromJson(element) as string
        ?? throw new InvalidInputException($"{path}: the names and templates of 'chat_template' must be texts.");

    /// <summary>A token is a text, or an object whose <c>content</c> is the text; absent and null ones are not defined.</summary>
    private static Dictionary<string, object?> ReadTokens(JsonElement config, string path)
    {
        Dictionary<string, object?> tokens = [];
        foreach (string name in s_tokenNames)
        {
            if (!config.TryGetProperty(name, out JsonElement token) || token.ValueKind == JsonValueKind.Null) continue;
            if (token.ValueKind == JsonValueKind.Object && token.TryGetProperty("content", out JsonElement content)) token = content;
            tokens[name] = PythonJson.FromJson(token) as string ?? throw new InvalidInputException($"{path}: '{name}' must be a text or an object with a text 'content'.");
        }
        return tokens;
    }
}
