"""Charts made of characters, without colour: the same on a terminal, in a file and in a mail."""

import math
from collections.abc import Sequence

BLOCKS = " ▁▂▃▄▅▆▇█"
"""A cell that is filled by none to eight eighths, from below."""

PLAIN = " .:#"
"""The same in thirds, for terminals that know ASCII only."""

_ROWS = 6
_MOST_COLUMNS = 72
_WIDEST_BAR = 3


def known_cells(encoding: str | None) -> str:
    """Return the finest cells that can be written in an encoding; ASCII if it is not known."""
    try:
        BLOCKS.encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return PLAIN
    return BLOCKS


def draw_bars(values: Sequence[float], *, marked: int, cells: str = BLOCKS) -> list[str]:
    """Draw a curve as bars between its smallest and its largest value.

    Parameters
    ----------
    values : sequence of float
        At least one; finite. Of more than 72, neighbours share a bar, which shows the largest.
    marked : int
        Index of the value below which an arrow points.
    cells : str
        A cell from empty to full.

    Returns
    -------
    list of str
        Six lines with the largest and the smallest value before the first and the last; then one
        with the arrow, and one with the index of the first and the last value.

    Examples
    --------
    >>> for line in draw_bars([1, 2, 3, 2, 1], marked=2, cells=PLAIN):
    ...     print(line)
    3 |      ###
      |      ###
      |      ###
      |   #########
      |   #########
    1 |...#########...
              ^
       0             4
    """
    share = math.ceil(len(values) / _MOST_COLUMNS)
    shown = [max(values[at : at + share]) for at in range(0, len(values), share)]
    wide = min(max(_MOST_COLUMNS // len(shown), 1), _WIDEST_BAR)
    low, high = min(shown), max(shown)
    steps = len(cells) - 1
    heights = [_height(value, low, high, _ROWS * steps) for value in shown]
    labels = [f"{high:.4g}", *[""] * (_ROWS - 2), f"{low:.4g}"]
    margin = max(map(len, labels))
    lines = []
    for row, label in zip(range(_ROWS - 1, -1, -1), labels, strict=True):
        filled = (cells[min(max(height - row * steps, 0), steps)] * wide for height in heights)
        lines.append(f"{label.rjust(margin)} |{''.join(filled)}".rstrip())
    arrow = f"{' ' * (marked // share * wide + wide // 2)}^"
    last = str(len(values) - 1)
    scale = f"0{last.rjust(max(len(shown) * wide - 1, len(last) + 1))}"
    return [*lines, *(f"{' ' * margin}  {below}" for below in (arrow, scale))]


def _height(value: float, low: float, high: float, full: int) -> int:
    """Return a height in parts of a cell; at least one, so that every bar is seen."""
    if high <= low:
        return 1
    return max(round((value - low) / (high - low) * full), 1)
