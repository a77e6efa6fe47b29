import pytest

from focusfix.cli.options import parse_count
from focusfix.errors import UsageError


@pytest.mark.parametrize(("text", "count"), [("auto", None), ("1", 1), ("512", 512)])
def test_count(text, count):
    assert parse_count("--tile-size", text, smallest=1) == count


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "", "many", "²"])
def test_no_count(text):
    with pytest.raises(UsageError, match="--tile-size takes auto or a whole number"):
        parse_count("--tile-size", text, smallest=1)
