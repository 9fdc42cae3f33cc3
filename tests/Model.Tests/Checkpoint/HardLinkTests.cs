namespace Mellum2.Managed.Model.Tests;

/// <summary>Second names of files.</summary>
public sealed class HardLinkTests
{
    [Fact]
    public void A_second_name_is_the_same_file_and_stays_when_the_first_goes()
    {
        using TemporaryFolder folder = new();
        string first = Path.Combine(folder.Root, "first ä"), second = Path.Combine(folder.Root, "second ß");
        File.WriteAllText(first, "one");
        Assert.True(HardLink.TryCreate(first, second));
        File.AppendAllText(first, " two");
        File.Delete(first);
        Assert.Equal("one two", File.ReadAllText(second));
    }

    [Fact]
    public void A_symbolic_link_is_followed()
    {
        using TemporaryFolder folder = new();
        Directory.CreateDirectory(Path.Combine(folder.Root, "blobs"));
        string link = Path.Combine(folder.Root, "link"), added = Path.Combine(folder.Root, "blobs", "added");
        File.WriteAllText(Path.Combine(folder.Root, "file"), "one");
        File.CreateSymbolicLink(link, "file");
        Assert.True(HardLink.TryCreate(link, added));
        Assert.Null(new FileInfo(added).LinkTarget);
        Assert.Equal("one", File.ReadAllText(added));
    }

    [Fact]
    public void What_cannot_be_linked_is_not()
    {
        using TemporaryFolder folder = new();
        string file = Path.Combine(folder.Root, "file"), other = Path.Combine(folder.Root, "other");
        Assert.Throws<FileNotFoundException>(() => HardLink.TryCreate(file, other));
        File.WriteAllText(file, "one");
        File.WriteAllText(other, "two");
        Assert.False(HardLink.TryCreate(file, other));
        Assert.Equal("two", File.ReadAllText(other));
    }
}
