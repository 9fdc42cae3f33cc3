using System.Text;
using System.Text.Json.Nodes;
using FsCheck.Xunit;
using Mellum2.Managed.Engine;
using Mellum2.Managed.Tests;
using Xunit;

namespace Mellum2.Managed.Model.Tests;

/// <summary>Files that are wrong, or ask for what is not implemented, are refused by one sentence that names it.</summary>
public class TokenizerFileTests
{
    private static readonly byte[] s_valid = File.ReadAllBytes(GoldenFolder.Find("tokenizer", "llama3-style-600", "tokenizer.json"));

    [Theory]
    [InlineData("normalizer", """{"type":"NFKC"}""", "normalizer type NFKC")]
    [InlineData("normalizer", """{"type":"Sequence","normalizers":[{"type":"NFC"},{"type":"Lowercase"}]}""", "normalizer type Lowercase")]
    [InlineData("pre_tokenizer", "null", "pre_tokenizer has no ByteLevel")]
    [InlineData("pre_tokenizer", """{"type":"Whitespace"}""", "pre-tokenizer type Whitespace")]
    [InlineData("pre_tokenizer", """{"type":"Sequence","pretokenizers":[{"type":"ByteLevel"},{"type":"Digits"}]}""", "Digits stands after ByteLevel")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"[a-z]+"},"behavior":"Isolated"}""", "regex [a-z]+")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"String":" "},"behavior":"Isolated"}""", "pattern that is no Regex")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"x"},"behavior":"Removed"}""", "behavior Removed")]
    [InlineData("pre_tokenizer", """{"type":"Split","pattern":{"Regex":"x"},"behavior":"Isolated","invert":true}""", "invert true")]
    [InlineData("post_processor", """{"type":"BertProcessing"}""", "post-processor type BertProcessing")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[]}""", "lacks Sequence A")]
    [InlineData("post_processor", """{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"<s>"}}],"special_tokens":{}}""", "names <s>")]
    [InlineData("decoder", """{"type":"Metaspace"}""", "decoder type Metaspace")]
    [InlineData("decoder", "null", "decoder type null")]
    [InlineData("truncation", """{"max_length":5}""", "truncation is set")]
    [InlineData("padding", """{"pad_id":5}""", "padding is set")]
    [InlineData("model/dropout", "0.1", "dropout is set")]
    [InlineData("model/byte_fallback", "true", "byte_fallback is true")]
    [InlineData("model/continuing_subword_prefix", "\"##\"", "continuing_subword_prefix is ##")]
    [InlineData("model/end_of_word_suffix", "\"</w>\"", "end_of_word_suffix is </w>")]
    [InlineData("model/ignore_merges", "3", "model.ignore_merges is a number")]
    [InlineData("model/vocab", """{"a":0}""", "the vocabulary lacks")]
    [InlineData("model/vocab/a", "-1", "expected a whole number")]
    [InlineData("model/vocab/a", "1000000000", "expected a whole number")]
    [InlineData("model/vocab/a", "1.5", "expected a whole number")]
    [InlineData("model/merges", "{}", "model.merges is an object, expected an array")]
    [InlineData("model/merges", """["a b c"]""", "merge 0 has 3 parts")]
    [InlineData("model/merges", """[["a"]]""", "merge 0 has 1 parts")]
    [InlineData("model/merges", """[[1,2]]""", "model.merges[0][0] is a number, expected a string")]
    [InlineData("added_tokens", """[{"id":700,"content":""}]""", "added_tokens[0] has an empty content")]
    [InlineData("added_tokens", """[{"id":700}]""", "added_tokens[0].content is missing")]
    [InlineData("added_tokens", """[{"id":700,"content":"<x>"},{"id":701,"content":"<x>"}]""", "which an added token before it has")]
    [InlineData("added_tokens", """[{"id":700,"content":"<x>"},{"id":700,"content":"<y>"}]""", "which <x> has")]
    [InlineData("added_tokens", """[{"id":700,"content":"a"}]""", "the vocabulary gives it the id")]
    [InlineData("added_tokens", """[{"id":0,"content":"<x>"}]""", "gives <x> the id 0, which")]
    [InlineData("added_tokens", "[]", "post_processor adds the id 595")]
    public void RefusesByName(string path, string value, string reason)
    {
        JsonNode root = JsonNode.Parse(s_valid)!, parent = root;
        string[] names = path.Split('/');
        foreach (string name in names.SkipLast(1))
            parent = parent[name]!;
        parent[names[^1]] = JsonNode.Parse(value);
        AssertRefused(Encoding.UTF8.GetBytes(root.ToJsonString()), reason);
    }

    [Theory]
    [InlineData("", "ends before anything was read")]
    [InlineData("[1]", "the file is an array, expected an object")]
    [InlineData("{\"model\":{\"merges\":[", "ends in the middle of the merges")]
    [InlineData("{\"added_tokens\":[{\"id\":", "ends in the middle of the added tokens")]
    [InlineData("{\"model\":!", "is not valid JSON")]
    [InlineData("{} {}", "is not valid JSON")]
    [InlineData("{\"model\":{},\"model\":{}}", "is not valid JSON")]
    [InlineData("{\"model\":{\"type\":\"\\ud800\"}}", "not valid Unicode")]
    [InlineData("{}", "model is missing, expected an object")]
    public void RefusesMalformedJson(string json, string reason) => AssertRefused(Encoding.UTF8.GetBytes(json), reason);

    [Fact]
    public void RefusesAMissingFile()
    {
        string path = Path.Combine(Path.GetTempPath(), "no-such-folder", "tokenizer.json");
        Assert.Contains(path, Assert.Throws<InvalidInputException>(() => Tokenizer.Load(path)).Message, StringComparison.Ordinal);
    }

    [Property(MaxTest = 300)]
    public void DamagedFilesLoadOrAreRefused(int seed, bool cut)
    {
        var random = new Random(seed);
        byte[] damaged = [.. s_valid];
        for (int i = random.Next(1, 4); i > 0; i--)
            damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
        if (cut)
            damaged = damaged[..random.Next(damaged.Length)];
        try
        {
            Tokenizer tokenizer = Tokenizer.Parse(damaged, "damaged");
            Assert.NotNull(tokenizer.Decode(tokenizer.Encode("Hello 世界 1234", EncodeOptions.Prompt)));
        }
        catch (InvalidInputException e)
        {
            Assert.StartsWith("damaged: ", e.Message, StringComparison.Ordinal);
        }
    }

    private static void AssertRefused(byte[] json, string reason)
    {
        InvalidInputException e = Assert.Throws<InvalidInputException>(() => Tokenizer.Parse(json, "test.json"));
        Assert.StartsWith("test.json: ", e.Message, StringComparison.Ordinal);
        Assert.Contains(reason, e.Message, StringComparison.Ordinal);
        Assert.EndsWith(".", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }
}
