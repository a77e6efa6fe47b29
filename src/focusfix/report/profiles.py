"""Plots of intensity along lines through a structure, with its width."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from focusfix.report.figures import (
    PAGE,
    PAPER,
    Palette,
    add_legend,
    inline_svg,
    new_figure,
    save_figure,
    style_axes,
)
from focusfix.report.page import Section

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_PANEL_INCHES = (3.6, 2.7)
_PER_ROW = 2


class ProfileCurve(NamedTuple):
    """Intensity along a line in one image.

    Parameters
    ----------
    positions, values : ndarray, shape (N,)
        Distance from the start of the line, and grey values.
    fwhm : float
        Width at half maximum, in the unit of the positions; NaN if there is no peak.
    """

    positions: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    fwhm: float


class ProfilePanel(NamedTuple):
    """The curves of all images on one line.

    Parameters
    ----------
    title : str
        Image and plane.
    direction : str
        "y", "x", or "line".
    unit : str
        Of positions and widths.
    curves : mapping of str to ProfileCurve
        By role: "output", "input", "reference".
    """

    title: str
    direction: str
    unit: str
    curves: Mapping[str, ProfileCurve]


def draw_profiles(panels: Sequence[ProfilePanel], palette: Palette = PAPER) -> "Figure":
    """Draw a panel for each line, two beside each other.

    Parameters
    ----------
    panels : sequence of ProfilePanel
        At least one.
    palette : Palette
        Colours.

    Returns
    -------
    Figure
        All curves of a panel on one scale of grey values; widths in the legend.
    """
    columns = min(len(panels), _PER_ROW)
    rows = math.ceil(len(panels) / columns)
    figure = new_figure(columns * _PANEL_INCHES[0], rows * _PANEL_INCHES[1])
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, panel in zip(grid, panels, strict=False):
        _draw_panel(axes, panel, palette)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    return figure


def save_profiles(panels: Sequence[ProfilePanel], path: Path) -> None:
    """Write such a figure as SVG, PNG or PDF.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    save_figure(draw_profiles(panels), path)


def profile_sections(panels: Sequence[ProfilePanel]) -> list[Section]:
    """Lay profiles out for a page; nothing if there are none."""
    if not panels:
        return []
    figures = [
        inline_svg(draw_profiles([panel], PAGE), f"profile-{number}", f"Profile, {panel.title}")
        for number, panel in enumerate(panels)
    ]
    text = "Intensity along lines through one structure, and its full width at half maximum."
    return [Section("Profiles", text, charts=figures)]


def _draw_panel(axes: "Axes", panel: ProfilePanel, palette: Palette) -> None:
    for role, curve in reversed(list(panel.curves.items())):
        known = math.isfinite(curve.fwhm)
        width = f"{curve.fwhm:.3g} {panel.unit}" if known else "no peak"
        axes.plot(
            curve.positions,
            curve.values,
            color=palette.of(role),
            linewidth=1.4,
            linestyle="--" if role == "input" else "-",
            label=f"{role}: FWHM {width}",
        )
    style_axes(axes, palette, f"along {panel.direction} ({panel.unit})", "grey value")
    axes.set_title(panel.title, color=palette.ink, fontsize=9)
    add_legend(axes, palette)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.45 * (high - low))
