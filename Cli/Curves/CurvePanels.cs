using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Series;

namespace Mellum2.Managed.Cli;

/// <summary>The panels of a <see cref="CurvePicture"/> without their common dress. Every run has one colour in all of them.</summary>
internal sealed class CurvePanels(IReadOnlyList<RunMetrics> runs, CurveAxis axis)
{
    // Routers that are told apart in a picture of one run; of more only the highest and the middle one are shown.
    private const int MostRouters = 8;
    // From this ratio of highest to lowest gradient norm on the axis is logarithmic.
    private const double RangeOfLogarithm = 20;
    private const byte Pale = 70;

    // The steps at the start that may leave the picture above, so that what comes after them is seen.
    private const double StartShare = 0.03;

    private static readonly OxyColor[] s_colors =
    [
        .. new uint[] { 0x1F77B4, 0xD62728, 0x2CA02C, 0xFF7F0E, 0x9467BD, 0x17BECF, 0x8C564B, 0xE377C2, 0xBCBD22, 0x7F7F7F }
            .Select(color => OxyColor.FromUInt32(0xFF000000 | color)),
    ];

    private readonly OxyColor[] _colors = runs.Count <= s_colors.Length ? s_colors : [.. OxyPalettes.Viridis(runs.Count + 1).Colors];

    private bool IsAlone => runs.Count == 1;

    /// <summary>Training and validation loss; of a run alone also those of the MTP head.</summary>
    public PlotModel Loss()
    {
        PlotModel panel = new()
        {
            Title = "Loss",
            Subtitle = IsAlone ? null : "lines: training, smoothed; points: validation",
        };
        double ceiling = double.NaN;
        for (int i = 0; i < runs.Count; i++)
        {
            List<(double X, double Y)> raw = Steps(runs[i], step => step.Loss);
            AddPale(panel, raw, _colors[i]);
            AddLine(panel, Curve.Smooth(raw), _colors[i], IsAlone ? "training" : runs[i].Name);
            List<(double X, double Y)> validation = Evaluations(runs[i], point => point.Loss);
            AddPoints(panel, validation, IsAlone ? OxyColors.Black : _colors[i], IsAlone ? "validation" : raw.Count == 0 ? runs[i].Name : null);
            ceiling = Highest(ceiling, raw.Skip((int)(StartShare * raw.Count)).Select(point => point.Y).Concat(validation.Skip(1).Select(point => point.Y)));
            if (!IsAlone)
                continue;
            List<(double X, double Y)> mtp = Steps(runs[i], step => step.MtpLoss), mtpValidation = Evaluations(runs[i], point => point.MtpLoss);
            AddPale(panel, mtp, s_colors[1]);
            AddLine(panel, Curve.Smooth(mtp), s_colors[1], "training, MTP head");
            AddPoints(panel, mtpValidation, s_colors[1], "validation, MTP head");
            ceiling = Highest(ceiling, mtp.Skip((int)(StartShare * mtp.Count)).Select(point => point.Y).Concat(mtpValidation.Skip(1).Select(point => point.Y)));
        }
        LinearAxis y = new() { Position = AxisPosition.Left, Title = "nats per token", AxisTitleDistance = 8, MinimumPadding = 0.03, MaximumPadding = 0.03 };
        if (double.IsFinite(ceiling) && ceiling > 0)
            y.Maximum = 1.05 * ceiling;
        panel.Axes.Add(y);
        return panel;
    }

    /// <summary>The other panels that the runs have values for.</summary>
    public IEnumerable<PlotModel> Others() => new[] { LearningRate(), GradientNorm(), Acceptance(), ExpertLoad() }.Where(panel => panel.Series.Count > 0);

    private PlotModel LearningRate()
    {
        PlotModel panel = new() { Title = "Learning rate" };
        for (int i = 0; i < runs.Count; i++)
            AddLine(panel, Steps(runs[i], step => step.LearningRate), _colors[i], null);
        panel.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Minimum = 0, MaximumPadding = 0.05, LabelFormatter = value => Quantity.Text($"{value:0.#####}") });
        return panel;
    }

    private PlotModel GradientNorm()
    {
        PlotModel panel = new() { Title = "Gradient norm, before clipping" };
        double lowest = double.PositiveInfinity, highest = 0;
        for (int i = 0; i < runs.Count; i++)
        {
            List<(double X, double Y)> raw = Steps(runs[i], step => step.GradientNorm > 0 ? step.GradientNorm : double.NaN), smooth = Curve.Smooth(raw);
            AddPale(panel, raw, _colors[i]);
            AddLine(panel, smooth, _colors[i], null);
            foreach ((_, double y) in smooth)
                (lowest, highest) = (Math.Min(lowest, y), Math.Max(highest, y));
        }
        panel.Axes.Add(highest > RangeOfLogarithm * lowest
            ? new LogarithmicAxis { Position = AxisPosition.Left, LabelFormatter = value => Quantity.Text($"{value:0.####}") }
            : new LinearAxis { Position = AxisPosition.Left, Minimum = 0, MaximumPadding = 0.05, LabelFormatter = value => Quantity.Text($"{value:0.####}") });
        return panel;
    }

    private PlotModel Acceptance()
    {
        PlotModel panel = new()
        {
            Title = "MTP head: greedy acceptance",
            Subtitle = runs.Any(run => Evaluations(run, point => point.MtpAcceptance).Count > 0) ? "points: validation" : null,
        };
        for (int i = 0; i < runs.Count; i++)
        {
            List<(double X, double Y)> raw = Steps(runs[i], step => step.MtpAcceptance);
            AddPale(panel, raw, _colors[i]);
            AddLine(panel, Curve.Smooth(raw), _colors[i], null);
            AddPoints(panel, Evaluations(runs[i], point => point.MtpAcceptance), IsAlone ? OxyColors.Black : _colors[i], null);
        }
        panel.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Minimum = 0, MaximumPadding = 0.05, LabelFormatter = value => Quantity.Text($"{100 * value:0.##} %") });
        return panel;
    }

    private PlotModel ExpertLoad()
    {
        PlotModel panel = new()
        {
            Title = "Expert load",
            Subtitle = IsAlone ? "of the busiest expert; 1 is perfect balance" : "of the busiest expert of any router; 1 is perfect balance",
        };
        int routers = IsAlone ? runs[0].Steps.Max(step => step.Load?.Length) ?? 0 : 0;
        if (routers is > 1 and <= MostRouters)
        {
            for (int router = 0; router < routers; router++)
            {
                int at = router;
                AddLine(
                    panel,
                    Curve.Smooth(Steps(runs[0], step => step.Load is { } load && at < load.Length ? load[at] : double.NaN)),
                    s_colors[router],
                    Quantity.Text($"router {router}"));
            }
        }
        else
        {
            for (int i = 0; i < runs.Count; i++)
            {
                AddLine(panel, Curve.Smooth(Steps(runs[i], step => step.Load is { Length: > 0 } load ? load.Max() : double.NaN)), _colors[i], routers > 1 ? "highest" : null);
                if (routers > 1)
                    AddLine(panel, Curve.Smooth(Steps(runs[i], step => step.Load is { Length: > 0 } load ? load.Order().ElementAt(load.Length / 2) : double.NaN)), s_colors[1], "middle");
            }
        }
        panel.Axes.Add(new LinearAxis { Position = AxisPosition.Left, Minimum = 1, MaximumPadding = 0.05, LabelFormatter = value => Quantity.Text($"{value:0.##} ×") });
        return panel;
    }

    private static double Highest(double ceiling, IEnumerable<double> values) => values.Aggregate(ceiling, (a, b) => a >= b ? a : b);

    private List<(double X, double Y)> Steps(RunMetrics run, Func<StepPoint, double> value) =>
        Finite(run.Steps.Select(step => (axis == CurveAxis.Steps ? step.Step : step.Tokens, value(step))));

    private List<(double X, double Y)> Evaluations(RunMetrics run, Func<EvaluationPoint, double> value) =>
        Finite(run.Evaluations.Select(point => (axis == CurveAxis.Steps ? point.Step : point.Tokens, value(point))));

    private static List<(double X, double Y)> Finite(IEnumerable<(double X, double Y)> points) =>
        [.. points.Where(point => double.IsFinite(point.X) && double.IsFinite(point.Y))];

    private static void AddPale(PlotModel panel, List<(double X, double Y)> points, OxyColor color) =>
        Add(panel, Curve.Envelope(points), new LineSeries { Color = OxyColor.FromAColor(Pale, color), StrokeThickness = 1 });

    private static void AddLine(PlotModel panel, List<(double X, double Y)> points, OxyColor color, string? name) =>
        Add(panel, Curve.Thin(points), new LineSeries { Color = color, StrokeThickness = 1.8, Title = name });

    private static void AddPoints(PlotModel panel, List<(double X, double Y)> points, OxyColor color, string? name) =>
        Add(panel, Curve.Thin(points), new LineSeries
        {
            Color = OxyColor.FromAColor(2 * Pale, color),
            StrokeThickness = 1,
            LineStyle = LineStyle.Dash,
            MarkerType = MarkerType.Circle,
            MarkerSize = points.Count > 60 ? 2 : 3.5,
            MarkerFill = color,
            Title = name,
        });

    private static void Add(PlotModel panel, List<(double X, double Y)> points, LineSeries series)
    {
        if (points.Count == 0)
            return;
        if (series.MarkerType == MarkerType.None && points.Count == 1)
            (series.MarkerType, series.MarkerSize, series.MarkerFill) = (MarkerType.Circle, 2, series.Color);
        series.Points.AddRange(points.Select(point => new DataPoint(point.X, point.Y)));
        panel.Series.Add(series);
    }
}
