using Mellum2.Managed.Engine;
using Mellum2.Managed.Kernels;

namespace Mellum2.Managed.Model;

/// <summary>Where a model's weights come from: a checkpoint on disk, or a generator of random ones.</summary>
public interface IWeightSource
{
    /// <summary>The matrix <paramref name="name"/> [rows, columns]; the caller disposes of it after packing.</summary>
    /// <exception cref="InvalidInputException">It is missing or has another shape.</exception>
    WeightMatrix OpenMatrix(string name, int rows, int columns);

    /// <summary>The vector <paramref name="name"/> as F32.</summary>
    /// <exception cref="InvalidInputException">It is missing or has another length.</exception>
    Tensor OpenVector(string name, int length);
}
