namespace Mellum2.Managed.Training;

/// <summary>The samples of a micro-batch: rows of one length, row-major.</summary>
/// <param name="Length">Tokens of a row.</param>
/// <param name="Ids">The tokens [rows · length].</param>
/// <param name="Labels">For each token the one that follows; −100 does not count.</param>
/// <param name="MtpLabels">For each token the one after that; −100 does not count.</param>
/// <param name="Documents">
/// For each token its document, where rows hold several: a token sees only its own. Null: a row is one document.
/// </param>
/// <param name="Positions">
/// For each token its position for the rotary embedding, consecutive within a document. Null: from 0 on in each. The rotary
/// embedding is relative, so the two differ by rounding alone.
/// </param>
public sealed record TrainingBatch(
    int Length, IReadOnlyList<int> Ids, IReadOnlyList<int> Labels, IReadOnlyList<int> MtpLabels, IReadOnlyList<int>? Documents = null,
    IReadOnlyList<int>? Positions = null)
{
    /// <summary>The number of rows.</summary>
    public int Rows => Ids.Count / Length;

    /// <summary>A copy of the rows of a sample stream's batch; the room behind a row's last document is a document of its own.</summary>
    public static TrainingBatch Of(SampleBatch samples)
    {
        int length = samples.SequenceLength, count = samples.Rows * length;
        int[] documents = new int[count];
        for (int row = 0; row < samples.Rows; row++)
        {
            int at = row * length, document = 0;
            foreach (int segment in samples.SegmentLengths(row))
            {
                documents.AsSpan(at, segment).Fill(document++);
                at += segment;
            }
            documents.AsSpan(at, (row + 1) * length - at).Fill(document);
        }
        return new TrainingBatch(
            length, samples.Ids[..count], samples.Labels[..count], samples.MtpLabels[..count], documents, samples.Positions[..count]);
    }

    /// <summary>
    /// The documents as (row, first token, tokens), for the tokens from <paramref name="shift"/> on. The MTP head's row i
    /// belongs to the document of token i + 1, whose embedding it takes, so its documents are those of shift 1; the row
    /// at a document's end opens the next one, and its label does not count.
    /// </summary>
    public IEnumerable<(int Row, int First, int Count)> Segments(int shift)
    {
        int tokens = Length - shift;
        for (int row = 0; row < Rows; row++)
        {
            for (int first = 0, next; first < tokens; first = next)
            {
                next = Documents is null ? tokens : first + 1;
                while (next < tokens && Documents![row * Length + shift + next] == Documents[row * Length + shift + first])
                    next++;
                yield return (row, first, next - first);
            }
        }
    }

    /// <summary>How many of the trunk's rows have a label.</summary>
    internal long CountedRows => Labels.Count(label => label != SampleLabels.Masked);

    /// <summary>How many of the MTP head's rows have a label: it has none for the last token of a row.</summary>
    internal long CountedMtpRows
    {
        get
        {
            long counted = 0;
            for (int i = 0; i < MtpLabels.Count; i++)
                counted += i % Length != Length - 1 && MtpLabels[i] != SampleLabels.Masked ? 1 : 0;
            return counted;
        }
    }
}
