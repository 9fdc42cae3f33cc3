namespace Mellum2.Managed.Cli;

/// <summary>What an evaluation adds up over all rows; a row predicts one token.</summary>
internal sealed class EvaluationSums
{
    /// <summary>Rows of the trunk.</summary>
    public long Rows { get; set; }

    /// <summary>The sum of their cross-entropies.</summary>
    public double Loss { get; set; }

    /// <summary>Those whose most probable token is the next one.</summary>
    public long Correct { get; set; }

    /// <summary>The bytes of the tokens that they predict, control tokens by their text.</summary>
    public long Bytes { get; set; }

    /// <summary>Rows of the MTP head.</summary>
    public long MtpRows { get; set; }

    /// <summary>The sum of their cross-entropies.</summary>
    public double MtpLoss { get; set; }

    /// <summary>Those whose most probable token is the one after the next.</summary>
    public long MtpAccepted { get; set; }

    /// <summary>Nats per token.</summary>
    public double MeanLoss => Loss / Rows;

    /// <summary>Bits per byte of text.</summary>
    public double BitsPerByte => Loss / Math.Log(2) / Bytes;

    /// <summary>The share of tokens that greedy decoding would have got right.</summary>
    public double Accuracy => (double)Correct / Rows;

    /// <summary>Nats per token that the MTP head predicts.</summary>
    public double MeanMtpLoss => MtpLoss / MtpRows;

    /// <summary>The share of tokens that the MTP head's greedy draft got right.</summary>
    public double MtpAcceptance => (double)MtpAccepted / MtpRows;
}
