using Mellum2.Managed.Engine;

namespace Mellum2.Managed.Kernels;

public sealed partial class ReferenceKernels
{
    /// <inheritdoc/>
    public void NewtonSchulz(Tensor u, ReadOnlySpan<NewtonSchulzStep> steps, double epsilon, Tensor o)
    {
        OptimizerTensors.Check(DType.F64, u.Count, u, o);
        int columns = u.Columns, rows = u.Shape[u.Shape.Rank - 2], size = rows * columns;
        for (int begin = 0; begin < u.Count; begin += size)
        {
            double[,] x = Normalised(u.Span<double>().Slice(begin, size), rows, columns, epsilon);
            foreach (NewtonSchulzStep step in steps)
                x = Step(x, step);
            Span<double> result = o.Span<double>().Slice(begin, size);
            for (int i = 0; i < rows; i++)
                for (int j = 0; j < columns; j++)
                    result[i * columns + j] = rows > columns ? x[j, i] : x[i, j];
        }
    }

    private static double[,] Normalised(ReadOnlySpan<double> u, int rows, int columns, double epsilon)
    {
        double sum = 0;
        foreach (double value in u)
            sum += value * value;
        double divisor = Math.Sqrt(sum) + epsilon;
        double[,] x = rows > columns ? new double[columns, rows] : new double[rows, columns];
        for (int i = 0; i < rows; i++)
            for (int j = 0; j < columns; j++)
                x[rows > columns ? j : i, rows > columns ? i : j] = u[i * columns + j] / divisor;
        return x;
    }

    private static double[,] Step(double[,] x, NewtonSchulzStep step)
    {
        int m = x.GetLength(0), n = x.GetLength(1);
        double[,] gram = new double[m, m], polynomial = new double[m, m], result = new double[m, n];
        for (int i = 0; i < m; i++)
            for (int j = 0; j < m; j++)
                for (int k = 0; k < n; k++)
                    gram[i, j] += x[i, k] * x[j, k];
        for (int i = 0; i < m; i++)
            for (int j = 0; j < m; j++)
            {
                double square = 0;
                for (int k = 0; k < m; k++)
                    square += gram[i, k] * gram[k, j];
                polynomial[i, j] = step.B * gram[i, j] + step.C * square;
            }
        for (int i = 0; i < m; i++)
            for (int j = 0; j < n; j++)
            {
                result[i, j] = step.A * x[i, j];
                for (int k = 0; k < m; k++)
                    result[i, j] += polynomial[i, k] * x[k, j];
            }
        return result;
    }
}
