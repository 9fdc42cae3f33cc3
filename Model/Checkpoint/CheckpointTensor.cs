namespace Mellum2.Managed.Model;

/// <summary>A tensor of a checkpoint and the file that holds it.</summary>
/// <param name="Name">The name by which this engine knows it; it differs from the file's for another layout of the MTP head.</param>
/// <param name="Stored">What the file's header says about it.</param>
/// <param name="File">The file.</param>
public sealed record CheckpointTensor(string Name, SafetensorsTensor Stored, SafetensorsFile File);
