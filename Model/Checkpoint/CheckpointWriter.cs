using System.Globalization;
using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Model;

/// <summary>
/// Writes the weights of a checkpoint: <c>model.safetensors</c>, or, above a size, shards and
/// <c>model.safetensors.index.json</c>. Disposing of it before <see cref="Complete"/> removes every file that it wrote.
/// </summary>
public sealed class CheckpointWriter : IDisposable
{
    /// <summary>The usual size at which a new shard begins.</summary>
    public const long DefaultShardBytes = 5_000_000_000;

    private readonly string _folder;
    private readonly List<TensorDeclaration[]> _shards;
    private readonly Dictionary<string, int> _shardOf = new(StringComparer.Ordinal);
    private readonly List<string> _finished = [];
    private SafetensorsWriter? _writer;
    private int _current;
    private bool _isComplete;

    /// <summary>Plans the files.</summary>
    /// <param name="folder">An existing folder without weights.</param>
    /// <param name="tensors">The tensors in the order in which they will be written.</param>
    /// <param name="shardBytes">The bytes of tensors after which a shard ends; a larger tensor has one to itself.</param>
    /// <exception cref="InvalidInputException">The folder has weights already, or is missing.</exception>
    public CheckpointWriter(string folder, IReadOnlyList<TensorDeclaration> tensors, long shardBytes = DefaultShardBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shardBytes, 1);
        if (!Directory.Exists(folder))
            throw new InvalidInputException($"The folder {folder} does not exist.");
        if (Directory.EnumerateFiles(folder, "*.safetensors").FirstOrDefault() is { } old || File.Exists(old = Path.Combine(folder, CheckpointFiles.IndexName)))
            throw new InvalidInputException($"A checkpoint is to be written into {folder}, but {Path.GetFileName(old)} stands there already.");
        _folder = folder;
        _shards = Plan(tensors, shardBytes);
        for (int shard = 0; shard < _shards.Count; shard++)
            foreach (TensorDeclaration tensor in _shards[shard])
                if (!_shardOf.TryAdd(tensor.Name, shard))
                    throw new ArgumentException($"The tensor \"{tensor.Name}\" is declared twice.", nameof(tensors));
    }

    /// <summary>Appends bytes to a tensor; tensors come in the order in which they were declared.</summary>
    /// <inheritdoc cref="SafetensorsWriter.Write"/>
    public void Write(string tensor, ReadOnlySpan<byte> bytes)
    {
        if (!_shardOf.TryGetValue(tensor, out int shard))
            throw new InvalidOperationException($"The tensor \"{tensor}\" was not declared.");
        Advance(shard);
        _writer!.Write(tensor, bytes);
    }

    /// <summary>Makes all files durable; the index comes last.</summary>
    /// <inheritdoc cref="SafetensorsWriter.Complete"/>
    public void Complete()
    {
        Advance(_shards.Count);
        if (_shards.Count > 1)
        {
            CheckpointFiles.WriteIndex(
                _folder, _shards.Sum(shard => shard.Sum(tensor => tensor.ByteLength)),
                _shardOf.Select(pair => KeyValuePair.Create(pair.Key, FileName(pair.Value))));
        }
        _isComplete = true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _writer?.Dispose();
        _writer = null;
        if (_isComplete)
            return;
        foreach (string path in _finished)
            File.Delete(path);
        _finished.Clear();
    }

    /// <summary>Completes the shards before <paramref name="shard"/> and opens that one.</summary>
    private void Advance(int shard)
    {
        while (true)
        {
            if (_writer is null && _current < _shards.Count)
                _writer = new SafetensorsWriter(FilePath(_current), _shards[_current]);
            if (_current >= shard)
                return;
            _writer!.Complete();
            _writer.Dispose();
            _writer = null;
            _finished.Add(FilePath(_current++));
        }
    }

    private string FileName(int shard) => _shards.Count == 1
        ? CheckpointFiles.SingleName
        : string.Create(CultureInfo.InvariantCulture, $"model-{shard + 1:D5}-of-{_shards.Count:D5}.safetensors");

    private string FilePath(int shard) => Path.Combine(_folder, FileName(shard));

    private static List<TensorDeclaration[]> Plan(IReadOnlyList<TensorDeclaration> tensors, long shardBytes)
    {
        List<TensorDeclaration[]> shards = [];
        List<TensorDeclaration> shard = [];
        long bytes = 0;
        foreach (TensorDeclaration tensor in tensors)
        {
            if (shard.Count > 0 && bytes > shardBytes - tensor.ByteLength)
            {
                shards.Add([.. shard]);
                shard.Clear();
                bytes = 0;
            }
            shard.Add(tensor);
            bytes = checked(bytes + tensor.ByteLength);
        }
        shards.Add([.. shard]);
        return shards;
    }
}
