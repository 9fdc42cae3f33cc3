using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>
/// Computes logits from normalised states: the place to put another output head.
/// </summary>
/// <param name="context">Kernels and workspace.</param>
/// <param name="states">States after the final norm [rows, hidden].</param>
/// <param name="logits">[rows, vocabulary], to be written.</param>
public delegate void OutputHead(ForwardContext context, Tensor states, Tensor logits);

/// <summary>
/// Mellum 2: the forward pass of the trunk, its output head and its MTP head, written once for every back end. Not
/// thread-safe: one pass at a time.
/// </summary>
public sealed class MellumModel : IDisposable
{
    private readonly ModelWeights _weights;
    private readonly DecoderLayer[] _layers;
    private readonly DecoderLayer? _mtpLayer;
    private readonly RopeParameters?[] _rope = new RopeParameters?[2];
    private float[]? _row;

    /// <summary>Puts a model together; it owns <paramref name="weights"/>.</summary>
    /// <param name="configuration">The shape.</param>
    /// <param name="weights">Weights that the context's kernels have prepared.</param>
    /// <param name="context">Kernels, workspace, tap.</param>
    /// <param name="cacheFormat">F32 or BF16 for keys and values; null for the choice that <see cref="CacheFormat"/> describes.</param>
    public MellumModel(ModelConfiguration configuration, ModelWeights weights, ForwardContext context, DType? cacheFormat = null)
    {
        Configuration = configuration;
        Context = context;
        _weights = weights;
        _layers = new DecoderLayer[configuration.LayerCount];
        for (int l = 0; l < _layers.Length; l++)
            _layers[l] = new DecoderLayer(configuration, configuration.LayerTypes[l], weights.Layers[l], l);
        if (weights.Mtp is not null)
            _mtpLayer = new DecoderLayer(configuration, configuration.MtpLayerType, weights.Mtp.Layer, configuration.LayerCount);
        CacheFormat = cacheFormat is { } given ? given
            : context.Kernels.ActivationType == DType.F64 ? DType.F64
            : weights.Head.Format == DType.F32 ? DType.F32 : DefaultCacheFormat(configuration);
        OutputHead = (c, states, logits) => c.Kernels.MatMul(states, _weights.Head, logits);
    }

    /// <summary>The shape of the model.</summary>
    public ModelConfiguration Configuration { get; }

    /// <summary>Kernels, workspace and tap.</summary>
    public ForwardContext Context { get; }

    /// <summary>The bytes up to which keys and values are kept in F32, whatever the format of the weights.</summary>
    public const long SmallCache = 1L << 30;

    /// <summary>Whether there is an MTP head.</summary>
    public bool HasMtp => _mtpLayer is not null;

    /// <summary>The bytes of the weights.</summary>
    public long WeightBytes => _weights.ByteLength;

    /// <summary>Makes logits of states; by default the checkpoint's <c>lm_head</c>.</summary>
    public OutputHead OutputHead { get; set; }

    /// <summary>The format of keys and values beside weights that are not F32; see <see cref="CacheFormat"/>.</summary>
    public static DType DefaultCacheFormat(ModelConfiguration configuration)
    {
        CachePlan longest = new(configuration, DType.F32, configuration.MaximumPositions, 512, configuration.MtpLayerCount is > 0);
        return longest.Bytes <= SmallCache ? DType.F32 : DType.BF16;
    }

    /// <summary>Keys and values for a sequence, where the kernels have their tensors.</summary>
    /// <param name="context">The positions that the sequence may have.</param>
    /// <param name="chunk">The most tokens that one pass adds.</param>
    public KvCache CreateCache(int context, int chunk) =>
        new(
            new CachePlan(Configuration, CacheFormat, context, chunk, HasMtp),
            allocate: Context.Kernels.Device.Allocate,
            whole: !ReferenceEquals(Context.Kernels.Device, Device.Cpu));

    /// <summary>
    /// Runs the trunk over the rows of <paramref name="batch"/>, whose positions follow what their caches hold, and counts
    /// them in the caches.
    /// </summary>
    /// <param name="batch">The tokens.</param>
    /// <param name="beforeNorm">
    /// If the caller wants it, the state before the final norm [T, hidden]; to be released by the caller.
    /// </param>
    /// <param name="wantBeforeNorm">Whether the caller wants <paramref name="beforeNorm"/>.</param>
    /// <returns>The states after the final norm [T, hidden]; to be released by the caller.</returns>
    /// <exception cref="InvalidInputException">A token is outside of the vocabulary or the context is full.</exception>
    public Tensor Trunk(ForwardBatch batch, bool wantBeforeNorm, out Tensor? beforeNorm)
    {
        Check(batch);
        foreach (BatchSequence sequence in batch.Sequences)
        {
            if (sequence.Rows.Position != sequence.Cache.Length)
                throw new InvalidOperationException(
                    $"The batch continues at position {sequence.Rows.Position}, but the cache holds {sequence.Cache.Length}.");
            sequence.Cache.Reserve(sequence.Rows.Count);
        }
        Tensor ids = batch.State?.Ids ?? Ids(batch);
        Tensor h = Context.Activation(batch.Count, Configuration.HiddenSize);
        Context.Kernels.Embed(ids, _weights.Embedding, h);
        if (batch.State is null)
            Context.Release(ids);
        Context.Tap?.Residual(-1, h);

        Tensor positions = batch.State?.Positions ?? Positions(batch);
        Tensor? sliding = null, full = null;
        for (int l = 0; l < _layers.Length; l++)
        {
            Tensor table = Configuration.LayerTypes[l] == AttentionKind.Sliding
                ? sliding ??= RopeTable(positions, AttentionKind.Sliding)
                : full ??= RopeTable(positions, AttentionKind.Full);
            h = _layers[l].Forward(Context, h, batch, table);
        }
        ReleaseAll(batch.State is null ? positions : null, sliding, full);
        foreach (BatchSequence sequence in batch.Sequences)
            sequence.Cache.Advance(sequence.Rows.Count);

        Tensor states = Context.Norm(h, _weights.FinalNorm, (float)Configuration.RmsNormEpsilon);
        Context.Tap?.Normed(states);
        beforeNorm = wantBeforeNorm ? h : null;
        if (!wantBeforeNorm)
            Context.Release(h);
        return states;
    }

    /// <summary>The logits of <paramref name="count"/> rows of <paramref name="states"/> [count, vocabulary].</summary>
    public Tensor Logits(Tensor states, int firstRow, int count)
    {
        Tensor rows = states;
        if (firstRow != 0 || count != states.Rows)
        {
            rows = Context.Activation(count, states.Columns);
            Context.Kernels.CopyRows(states, firstRow, rows);
        }
        Tensor logits = Context.Activation(count, Configuration.VocabularySize);
        OutputHead(Context, rows, logits);
        if (!ReferenceEquals(rows, states))
            Context.Release(rows);
        Context.Tap?.Logits(logits);
        return logits;
    }

    /// <summary>
    /// Runs the MTP head: row i takes a state of the trunk (or of the head itself, when it drafts on) and the token that
    /// follows it, and gives the state whose logits are those of the token after that.
    /// The positions of <paramref name="batch"/> are those of the states; the caches' <see cref="KvCache.MtpLength"/> is
    /// the caller's to set.
    /// </summary>
    /// <param name="batch">For each row the token that follows its state.</param>
    /// <param name="states">[T, hidden]; after the trunk's final norm, or before it where the configuration says so.</param>
    /// <returns>The states after the head's norm [T, hidden]; to be released by the caller.</returns>
    public Tensor Mtp(ForwardBatch batch, Tensor states)
    {
        MtpWeights mtp = _weights.Mtp ?? throw new InvalidOperationException("The model has no MTP head.");
        Check(batch);
        foreach (BatchSequence sequence in batch.Sequences)
            sequence.Cache.ReserveMtp(sequence.Rows.Position, sequence.Rows.Count);
        Tensor ids = Ids(batch);
        Tensor embedded = Context.Activation(batch.Count, Configuration.HiddenSize);
        Context.Kernels.Embed(ids, _weights.Embedding, embedded);
        Tensor e = Context.Norm(embedded, mtp.EmbeddingNorm, (float)Configuration.RmsNormEpsilon);
        Tensor s = Context.Norm(states, mtp.StateNorm, (float)Configuration.RmsNormEpsilon);
        ReleaseAll(ids, embedded);
        Tensor joined = Context.Activation(batch.Count, 2 * Configuration.HiddenSize);
        Context.Kernels.Concatenate(e, s, joined);
        ReleaseAll(e, s);
        Tensor h = Context.Multiply(joined, mtp.Projection);
        Context.Release(joined);

        Tensor positions = Positions(batch);
        Tensor table = RopeTable(positions, Configuration.MtpLayerType);
        h = _mtpLayer!.Forward(Context, h, batch, table);
        ReleaseAll(positions, table);
        Tensor result = Context.Norm(h, mtp.FinalNorm, (float)Configuration.RmsNormEpsilon);
        Context.Release(h);
        return result;
    }

    /// <summary>Row <paramref name="row"/> of <paramref name="logits"/> as float32; valid until the next call.</summary>
    public ReadOnlySpan<float> ReadRow(Tensor logits, int row)
    {
        int width = logits.Columns;
        bool here = ReferenceEquals(logits.Device, Device.Cpu);
        if (logits.Type == DType.F32 && here)
            return logits.Span<float>().Slice(row * width, width);
        _row ??= new float[width];
        if (!here)
        {
            logits.Read(_row.AsSpan(0, width), (long)row * width);
            return _row.AsSpan(0, width);
        }
        ReadOnlySpan<double> values = logits.Span<double>().Slice(row * width, width);
        for (int i = 0; i < width; i++)
            _row[i] = (float)values[i];
        return _row;
    }

    /// <summary>The tokens of the largest logits of all rows, −1 where there is no choice; only they are read.</summary>
    public void ReadArgMax(Tensor logits, Span<int> ids)
    {
        Tensor best = Context.Integers(logits.Rows);
        Context.Kernels.ArgMax(logits, best);
        best.Read(ids[..logits.Rows]);
        Context.Release(best);
    }

    /// <summary>ln softmax(logits[row])[token], in the kernels' own log-sum-exp.</summary>
    public float LogProbability(Tensor logits, int row, int token)
    {
        Tensor one = Context.Activation(1, logits.Columns), lse = Context.Activation(1, 1);
        Context.Kernels.CopyRows(logits, row, one);
        Context.Kernels.LogSumExp(one, lse);
        float result = one.Type == DType.F64
            ? (float)(Element<double>(one, token) - Element<double>(lse, 0))
            : Element<float>(one, token) - Element<float>(lse, 0);
        ReleaseAll(one, lse);
        return result;
    }

    /// <summary>
    /// The format of keys and values. The reference kernels have F64. Others have F32 where the weights are F32 or where that
    /// takes at most <see cref="SmallCache"/> bytes at the longest context, else BF16; a property of the model alone, so
    /// that its results do not depend on the context that somebody asks for.
    /// </summary>
    public DType CacheFormat { get; }

    /// <inheritdoc/>
    public void Dispose() => _weights.Dispose();

    private static T Element<T>(Tensor tensor, int index) where T : unmanaged
    {
        T value = default;
        tensor.Read(new Span<T>(ref value), index);
        return value;
    }

    private Tensor Ids(ForwardBatch batch)
    {
        Tensor ids = Context.Integers(batch.Count);
        batch.WriteIds(ids);
        return ids;
    }

    private Tensor Positions(ForwardBatch batch)
    {
        Tensor positions = Context.Integers(batch.Count);
        batch.WritePositions(positions);
        return positions;
    }

    private Tensor RopeTable(Tensor positions, AttentionKind kind)
    {
        Tensor table = Context.Activation((int)positions.Count, Configuration.HeadSize);
        Context.Kernels.RopeTable(positions, _rope[(int)kind] ??= Configuration.Rope(kind), table);
        return table;
    }

    private void Check(ForwardBatch batch)
    {
        foreach (int id in batch.Ids)
            if ((uint)id >= (uint)Configuration.VocabularySize)
                throw new InvalidInputException($"Token {id} is outside of the vocabulary of {Configuration.VocabularySize}.");
    }

    private void ReleaseAll(params ReadOnlySpan<Tensor?> tensors)
    {
        foreach (Tensor? tensor in tensors)
            if (tensor is not null)
                Context.Release(tensor);
    }
}
