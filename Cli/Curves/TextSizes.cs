using OxyPlot;

namespace Mellum2.Managed.Cli;

/// <summary>
/// Estimates how much room a text takes: by Helvetica's widths, with a margin for the wider fonts that a viewer of SVG may put in
/// its place. It draws nothing.
/// </summary>
internal sealed class TextSizes : PdfRenderContext
{
    private const double Margin = 1.5;

    public TextSizes() : base(1, 1, OxyColors.White)
    {
    }

    /// <inheritdoc/>
    public override OxySize MeasureText(string text, string fontFamily, double fontSize, double fontWeight)
    {
        OxySize size = base.MeasureText(text, fontFamily, fontSize, fontWeight);
        return new OxySize(Margin * size.Width, Math.Max(size.Height, 1.1 * fontSize));
    }
}
