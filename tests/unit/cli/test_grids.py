"""Rows of numbers of the command line: grids without rounding, distances."""

import pytest

from focusfix.cli.grids import parse_distances, parse_grid
from focusfix.errors import UsageError


@pytest.mark.parametrize(
    ("text", "count", "ends"),
    [("0:1:0.1", 11, (0, 1)), ("0.25:1:0.25", 4, (0.25, 1)), ("1:0:-0.2", 6, (1, 0))],
)
def test_grids_end_exactly(text, count, ends):
    grid = parse_grid("--alphas", text)
    assert len(grid) == count
    assert (grid[0], grid[-1]) == ends


@pytest.mark.parametrize("steps", range(1, 60))
def test_grids_have_no_rung_too_many(steps):
    grid = parse_grid("--alphas", f"0:1:{1 / steps}")
    assert grid == [k / steps for k in range(steps + 1)]


@pytest.mark.parametrize("text", ["0:1", "a:b:c", "0:1:0", "0:1:-0.1", "0:1:0.3", "0:1:nan", ""])
def test_no_grid(text):
    with pytest.raises(UsageError, match="--alphas"):
        parse_grid("--alphas", text)


@pytest.mark.parametrize(
    ("text", "distances"), [("-4", [-4]), ("2.5", [2.5]), ("1:-1:-1", [1, 0, -1])]
)
def test_one_distance_or_a_grid_of_them(text, distances):
    assert parse_distances(text) == distances


@pytest.mark.parametrize("text", ["", "far", "nan", "-inf", "1:2"])
def test_no_distance(text):
    with pytest.raises(UsageError, match="--dz-um takes"):
        parse_distances(text)
