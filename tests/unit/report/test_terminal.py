import pytest

from focusfix.report.terminal import BLOCKS, PLAIN, draw_bars, known_cells


def columns(lines: list[str], wide: int) -> list[str]:
    """Read the bars back: the cells of each from top to bottom."""
    start = lines[0].index("|") + 1
    width = max(len(line) for line in lines[:6])
    padded = [line.ljust(width) for line in lines[:6]]
    return ["".join(line[at] for line in padded) for at in range(start, width, wide)]


def test_heights_are_those_of_the_values():
    """48 eighths of a cell: the largest value fills all, the smallest one."""
    values = [0.0, 12.0, 24.0, 36.0, 48.0]
    bars = columns(draw_bars(values, marked=4), 3)
    assert [sum(BLOCKS.index(cell) for cell in bar) for bar in bars] == [1, 12, 24, 36, 48]


def test_labels_and_arrow():
    lines = draw_bars([0.25, 0.5, 0.125], marked=1)
    assert lines[0].startswith("  0.5 |")
    assert lines[5].startswith("0.125 |")
    assert lines[6].index("^") == lines[0].index("|") + 1 + 3 + 1
    assert lines[7].split() == ["0", "2"]


@pytest.mark.parametrize("count", [1, 2, 24, 36, 72, 73, 500])
def test_lines_fit_a_terminal(count):
    lines = draw_bars([float(k % 7) for k in range(count)], marked=count - 1)
    assert len(lines) == 8
    assert max(map(len, lines)) <= 79
    arrow, bars = lines[6].index("^"), max(len(line) for line in lines[:6])
    assert arrow < max(bars, 8)


def test_a_single_peak_among_many_is_not_lost():
    values = [0.0] * 300
    values[137] = 1.0
    lines = draw_bars(values, marked=137)
    assert lines[0].count("█") == 1
    assert lines[0].index("█") == lines[6].index("^")


def test_equal_values_are_a_flat_line():
    assert columns(draw_bars([3.0, 3.0], marked=0), 3) == ["     ▁", "     ▁"]


@pytest.mark.parametrize(
    ("encoding", "cells"),
    [("utf-8", BLOCKS), ("ascii", PLAIN), ("latin-1", PLAIN), (None, PLAIN), ("no such", PLAIN)],
)
def test_cells_that_can_be_written(encoding, cells):
    assert known_cells(encoding) == cells
