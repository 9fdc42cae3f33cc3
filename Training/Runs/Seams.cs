namespace Mellum2.Managed.Training;

/// <summary>How products round their operands.</summary>
public enum TrainingPrecision
{
    /// <summary>Not at all.</summary>
    F32,

    /// <summary>Both operands to BF16.</summary>
    BF16,

    /// <summary>FP8 hybrid, tensorwise scales.</summary>
    FP8,
}
