import pytest

from focusfix.cli.options import parse_count, parse_size
from focusfix.errors import UsageError


@pytest.mark.parametrize(("text", "count"), [("auto", None), ("1", 1), ("512", 512)])
def test_count(text, count):
    assert parse_count("--tile-size", text, smallest=1) == count


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "", "many", "²"])
def test_no_count(text):
    with pytest.raises(UsageError, match="--tile-size takes auto or a whole number"):
        parse_count("--tile-size", text, smallest=1)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("800MB", 800_000_000),
        ("1.5 GB", 1_500_000_000),
        ("2g", 2_000_000_000),
        ("1MiB", 2**20),
    ],
)
def test_size(text, size):
    assert parse_size("--max-memory", text) == size


@pytest.mark.parametrize("text", ["2", "GB", "-1GB", "0MB", "2TB", "auto", "1,5GB"])
def test_no_size(text):
    with pytest.raises(UsageError, match="--max-memory takes an amount of memory such as 800MB"):
        parse_size("--max-memory", text)
