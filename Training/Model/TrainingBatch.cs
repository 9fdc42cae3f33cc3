namespace Mellum2.Managed.Training;

/// <summary>The samples of a micro-batch: rows of one length, row-major.</summary>
/// <param name="Length">Tokens of a row.</param>
/// <param name="Ids">The tokens [rows · length].</param>
/// <param name="Labels">For each token the one that follows; −100 does not count.</param>
/// <param name="MtpLabels">For each token the one after that; −100 does not count.</param>
/// <param name="Documents">
/// For each token its document, where rows hold several: a token sees only its own. Null: a row is one document.
/// </param>
public sealed record TrainingBatch(
    int Length, IReadOnlyList<int> Ids, IReadOnlyList<int> Labels, IReadOnlyList<int> MtpLabels, IReadOnlyList<int>? Documents = null)
{
    /// <summary>The number of rows.</summary>
    public int Rows => Ids.Count / Length;

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
}
