using Xunit;

namespace Mellum2.Managed.Model.Tests;

public sealed class ModelConfigurationTests
{
    [Fact]
    public void Released_shape_has_the_published_counts()
    {
        ModelConfiguration configuration = ModelConfiguration.Named("mellum2-12b");

        Assert.Equal(12_149_923_072, configuration.ParameterCount);
        Assert.Equal(2_212_568_320, configuration.ActiveParameterCount);
        Assert.Equal(5_631, configuration.ExpectedTensors(withMtp: false).Count());
        Assert.Equal(428_371_456, configuration.MtpParameterCount);
        Assert.Equal(205, configuration.MtpTensors().Count());
    }
}
