"""Figures in colours that suit paper, or a page that is light or dark."""

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.errors import UsageError
from focusfix.io.atomic import partial_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FIGURE_SUFFIXES = (".svg", ".png", ".pdf")

_DPI = 150
_FONT_SIZE = 9
_FONT = re.compile(r"(font: [^;\"]*?px )[^;\"]+")
_IDS = re.compile(r'(\bid="|url\(#|href="#)')


@dataclass(frozen=True)
class Palette:
    """Colours of a figure.

    Parameters
    ----------
    ink, grid : str
        Text and axes; lines behind the curves.
    output, input, reference : str
        Curves of an image, of what it was made from, and of the truth.
    """

    ink: str = "#24292f"
    grid: str = "#d8dee4"
    output: str = "#d4570a"
    input: str = "#7a828b"
    reference: str = "#1763b6"

    def of(self, role: str) -> str:
        """Return the colour of a role; images without a role are outputs."""
        return {"input": self.input, "reference": self.reference}.get(role, self.output)


PAPER = Palette()
"""Of figures in files, on white."""

PAGE = Palette("#010000", "#020000", "#030000", "#040000", "#050000")
"""Stand-ins, which :func:`inline_svg` replaces by variables of the page's style sheet."""

_VARIABLES = {
    PAGE.ink: "var(--ink)",
    PAGE.grid: "var(--grid)",
    PAGE.output: "var(--output)",
    PAGE.input: "var(--input)",
    PAGE.reference: "var(--reference)",
}


def new_figure(width: float, height: float) -> "Figure":
    """Make an empty figure without a window; inches."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def style_axes(axes: "Axes", palette: Palette, x_label: str, y_label: str) -> None:
    """Label axes, and give all their parts the palette's colours."""
    axes.set_xlabel(x_label, color=palette.ink, fontsize=_FONT_SIZE)
    axes.set_ylabel(y_label, color=palette.ink, fontsize=_FONT_SIZE)
    axes.title.set_color(palette.ink)
    axes.title.set_fontsize(_FONT_SIZE + 1)
    axes.tick_params(colors=palette.ink, labelsize=_FONT_SIZE - 1)
    axes.grid(True, color=palette.grid, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.patch.set_alpha(0)
    for name, spine in axes.spines.items():
        spine.set_visible(name in ("left", "bottom"))
        spine.set_color(palette.ink)


def add_legend(axes: "Axes", palette: Palette) -> None:
    """Name the curves."""
    axes.legend(frameon=False, labelcolor=palette.ink, fontsize=_FONT_SIZE - 1)


def check_figure_name(path: Path, option: str) -> None:
    """Refuse a name that is no figure's.

    Raises
    ------
    UsageError
        If the suffix is not one of ``FIGURE_SUFFIXES``.
    """
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise UsageError(
            f"{option} writes {', '.join(FIGURE_SUFFIXES)} files, not {path.name}.",
            f"Give a name that ends with one of these, such as {path.stem or 'plot'}.svg.",
        )


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure in the format that its suffix names; it appears when it is complete.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    with partial_file(path) as partial:
        figure.savefig(partial, format=path.suffix.lower().removeprefix("."))


def inline_svg(figure: "Figure", name: str, description: str) -> str:
    """Turn a figure in the colours of ``PAGE`` into an element of a page.

    Parameters
    ----------
    figure : Figure
        What to draw.
    name : str
        Distinguishes the figure's parts from those of the others on the page.
    description : str
        What the figure shows, for those who cannot see it.

    Returns
    -------
    str
        An ``svg`` element that follows the colours and the font of the page.
    """
    import matplotlib as mpl

    text = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.patch.set_alpha(0)
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    svg = text.getvalue()
    svg = svg[svg.index("<svg") :].rstrip()
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg, flags=re.DOTALL)
    svg = _IDS.sub(rf"\g<1>{name}-", svg)
    svg = _FONT.sub(r"\g<1>system-ui, sans-serif", svg)
    for stand_in, variable in _VARIABLES.items():
        svg = svg.replace(stand_in, variable)
    label = description.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return svg.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)


def finite_pairs(x: Sequence[float], y: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """Keep the points of a curve that can be drawn."""
    kept = [(a, b) for a, b in zip(x, y, strict=True) if b is not None and math.isfinite(b)]
    return [a for a, _ in kept], [b for _, b in kept]
