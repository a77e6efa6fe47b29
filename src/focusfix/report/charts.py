"""Charts of scores: against distance from focus, against the planes of a stack."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from focusfix.report.figures import (
    PAPER,
    Palette,
    add_legend,
    finite_pairs,
    new_figure,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_INCHES = (3.1, 2.4)
_MARKED_POINTS = 40


class Series(NamedTuple):
    """One curve.

    Parameters
    ----------
    role : str
        "output", "input" or "image".
    values : sequence of float
        As many as the chart has places; NaN and infinite values are left out.
    """

    role: str
    values: Sequence[float]


class Chart(NamedTuple):
    """Scores in one measure against distances or planes.

    Parameters
    ----------
    x_label, y_label : str
        What is on the axes.
    places : sequence of float
        Ascending.
    series : sequence of Series
        At least one.
    marked : sequence of float
        Places with a vertical line, such as planes in focus.
    """

    x_label: str
    y_label: str
    places: Sequence[float]
    series: Sequence[Series]
    marked: Sequence[float] = ()


def draw_chart(chart: Chart, palette: Palette = PAPER) -> "Figure":
    """Draw the curves of one measure.

    Parameters
    ----------
    chart : Chart
        What to draw.
    palette : Palette
        Colours.

    Returns
    -------
    Figure
        The input dashed, as everywhere.
    """
    figure = new_figure(*_PANEL_INCHES)
    axes: Axes = figure.subplots()
    for place in chart.marked:
        axes.axvline(place, color=palette.reference, linewidth=1.0, linestyle=":")
    marker = "o" if len(chart.places) <= _MARKED_POINTS else ""
    for series in chart.series:
        axes.plot(
            *finite_pairs(chart.places, series.values),
            color=palette.of(series.role),
            linestyle="--" if series.role == "input" else "-",
            linewidth=1.5,
            marker=marker,
            markersize=3.5,
            label=series.role,
        )
    style_axes(axes, palette, chart.x_label, chart.y_label)
    if len(chart.series) > 1:
        add_legend(axes, palette)
    return figure
