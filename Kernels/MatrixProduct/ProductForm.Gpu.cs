using ILGPU;

namespace Mellum2.Managed.Kernels;

/// <summary>What a kernel makes of the sums of a product before they are stored: the elementary operation that would have followed.</summary>
internal interface IProductForm
{
    /// <summary>How many matrices of equal size are stacked in the weights and make one output together: 1 or 2.</summary>
    static abstract int Matrices { get; }

    /// <summary>
    /// Which output row <paramref name="row"/> of a tile of weights serves, counted from the tile's first. Where there are two matrices,
    /// <paramref name="half"/> rows of the one are followed by those of the other.
    /// </summary>
    static abstract int Output(int row, int half);

    /// <summary>Which of the matrices that row is of.</summary>
    static abstract int Matrix(int row, int half);

    /// <summary>Stores an output, given its sum by each of the matrices.</summary>
    static abstract void Store(ProductArguments a, long place, float first, float second);
}

/// <summary>y = x·Wᵀ.</summary>
internal readonly struct PlainProduct : IProductForm
{
    public static int Matrices => 1;

    public static int Output(int row, int half) => row;

    public static int Matrix(int row, int half) => 0;

    public static void Store(ProductArguments a, long place, float first, float second) => a.Y[place] = first;
}

/// <summary>y = residual + x·Wᵀ.</summary>
internal readonly struct AddedProduct : IProductForm
{
    public static int Matrices => 1;

    public static int Output(int row, int half) => row;

    public static int Matrix(int row, int half) => 0;

    public static void Store(ProductArguments a, long place, float first, float second) => a.Y[place] = a.Residual[place] + first;
}

/// <summary>y = silu(x·Wᵀ) ⊙ (x·Uᵀ), with gate W and up U stacked.</summary>
internal readonly struct GatedProduct : IProductForm
{
    public static int Matrices => 2;

    public static int Output(int row, int half) => row / (2 * half) * half + row % half;

    public static int Matrix(int row, int half) => row / half % 2;

    public static void Store(ProductArguments a, long place, float first, float second) => a.Y[place] = DeviceMath.Silu(first) * second;
}

/// <summary>What the kernels for products need.</summary>
internal struct ProductArguments
{
    /// <summary>The matrix, or two stacked, or those of every expert.</summary>
    public WeightView Weights;

    /// <summary>Which rows of x are multiplied by which matrix.</summary>
    public RowSelection Rows;

    /// <summary>The activations.</summary>
    public ArrayView<float> X;

    /// <summary>What is added to the products, as large as y; not looked at elsewhere.</summary>
    public ArrayView<float> Residual;

    /// <summary>The result.</summary>
    public ArrayView<float> Y;

    /// <summary>The group of the grid's row that makes the first outputs.</summary>
    public int FirstGroup;

    /// <summary>The outputs in a row of y.</summary>
    public readonly int Outputs<TForm>() where TForm : struct, IProductForm => Weights.Rows / TForm.Matrices;
}

/// <summary>Three products of the same rows in one grid: the first groups make q, the next k, the others v.</summary>
internal struct ProjectArguments
{
    public ProductArguments Query;
    public WeightView Key;
    public WeightView Value;
    public ArrayView<float> K;
    public ArrayView<float> V;
    public int FirstKeyGroup;
    public int FirstValueGroup;

    /// <summary>The product that a group belongs to.</summary>
    public readonly ProductArguments Of(int group)
    {
        ProductArguments product = Query;
        if (group >= FirstValueGroup)
        {
            product.Weights = Value;
            product.Y = V;
            product.FirstGroup = FirstValueGroup;
        }
        else if (group >= FirstKeyGroup)
        {
            product.Weights = Key;
            product.Y = K;
            product.FirstGroup = FirstKeyGroup;
        }
        return product;
    }
}
