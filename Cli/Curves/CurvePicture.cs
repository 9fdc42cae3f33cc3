using System.Globalization;
using OxyPlot;
using OxyPlot.Axes;
using OxyPlot.Legends;

namespace Mellum2.Managed.Cli;

/// <summary>What the x axis of a picture counts.</summary>
internal enum CurveAxis
{
    /// <summary>Steps of the optimizer.</summary>
    Steps,

    /// <summary>Tokens.</summary>
    Tokens,
}

/// <summary>
/// Draws the curves of runs as SVG: the loss large above, below it learning rate, gradient norm, acceptance of the MTP head and
/// expert load, as far as the runs report them. A file appears or changes as a whole.
/// </summary>
internal static class CurvePicture
{
    /// <summary>The name of the picture in a run's folder.</summary>
    public const string FileName = "curves.svg";

    private const double Width = 1000;
    private const double LossHeight = 400;
    private const double SmallHeight = 250;
    private const string Font = "Arial";

    /// <summary>Draws the picture.</summary>
    /// <param name="runs">The runs; at least one with a step or an evaluation.</param>
    /// <param name="axis">What the x axis counts.</param>
    /// <returns>The SVG document, UTF-8.</returns>
    public static byte[] Draw(IReadOnlyList<RunMetrics> runs, CurveAxis axis)
    {
        CurvePanels panels = new(runs, axis);
        PlotModel loss = Finish(panels.Loss(), axis, LegendPlacement.Inside);
        PlotModel[] small = [.. panels.Others().Select(panel => Finish(panel, axis, LegendPlacement.Outside))];
        double height = LossHeight + (small.Length + 1) / 2 * SmallHeight;
        using MemoryStream bytes = new();
        using (SvgRenderContext canvas = new(bytes, Width, height, isDocument: true, new TextSizes(), OxyColors.White, useVerticalTextAlignmentWorkaround: true))
        {
            Render(loss, canvas, new OxyRect(0, 0, Width, LossHeight));
            for (int i = 0; i < small.Length; i++)
                Render(small[i], canvas, new OxyRect(i % 2 * Width / 2, LossHeight + i / 2 * SmallHeight, Width / 2, SmallHeight));
            canvas.Flush();
        }
        return bytes.ToArray();
    }

    /// <summary>Draws the picture into a file.</summary>
    public static void Save(string path, IReadOnlyList<RunMetrics> runs, CurveAxis axis)
    {
        string temporary = path + ".partial";
        try
        {
            File.WriteAllBytes(temporary, Draw(runs, axis));
            File.Move(temporary, path, overwrite: true);
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    /// <summary>What every panel has: font, grid, x axis, legend.</summary>
    private static PlotModel Finish(PlotModel panel, CurveAxis axis, LegendPlacement legend)
    {
        panel.Culture = CultureInfo.InvariantCulture;
        (panel.DefaultFont, panel.DefaultFontSize) = (Font, 12);
        (panel.TitleFontSize, panel.TitleFontWeight) = (14, FontWeights.Bold);
        (panel.SubtitleFontSize, panel.SubtitleColor) = (11, OxyColors.DimGray);
        panel.TitleHorizontalAlignment = TitleHorizontalAlignment.CenteredWithinPlotArea;
        panel.PlotAreaBorderColor = OxyColors.Gray;
        panel.Padding = new OxyThickness(8, 8, 18, 8);
        panel.Axes.Add(new LinearAxis
        {
            Position = AxisPosition.Bottom,
            Title = axis == CurveAxis.Steps ? "steps" : "tokens",
            Minimum = 0,
            MaximumPadding = 0.02,
            LabelFormatter = Count,
        });
        foreach (Axis line in panel.Axes)
        {
            (line.MajorGridlineStyle, line.MajorGridlineColor) = (LineStyle.Solid, OxyColor.FromRgb(230, 230, 230));
            line.TicklineColor = OxyColors.Gray;
        }
        if (panel.Series.Any(series => series.Title is not null))
        {
            panel.Legends.Add(new Legend
            {
                LegendPosition = LegendPosition.RightTop,
                LegendPlacement = legend,
                LegendBackground = OxyColor.FromAColor(220, OxyColors.White),
                LegendBorder = OxyColors.LightGray,
                LegendFontSize = 11,
            });
        }
        return panel;
    }

    private static void Render(IPlotModel panel, SvgRenderContext canvas, OxyRect place)
    {
        panel.Update(updateData: true);
        panel.Render(canvas, place);
    }

    private static string Count(double value) => Math.Abs(value) switch
    {
        >= 1e9 => Quantity.Text($"{value / 1e9:0.##} G"),
        >= 1e6 => Quantity.Text($"{value / 1e6:0.##} M"),
        >= 1e4 => Quantity.Text($"{value / 1e3:0.##} k"),
        _ => Quantity.Text($"{value:0.##}"),
    };
}
