"""Pictures of latent codes: the paths that levels take, and maps of identity and blur."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from focusfix.report.figures import (
    PAGE,
    PAPER,
    Palette,
    inline_svg,
    new_figure,
    save_figure,
    style_axes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure

    _DrawPanel = Callable[[Axes], PathCollection | None]

FloatArray = npt.NDArray[np.floating]

_LEVELS, _DISTANCES, _FIELDS = "viridis", "viridis_r", "tab20"
_LINE = 0.8
_POINT, _SMALL_POINT = 14, 9
_MOST_PERPLEXITY = 30
_FIELDS_OF_MAP = 20
_PANEL_INCHES = 3.6


class CodePath(NamedTuple):
    """Codes of one field, from its blurriest level to the one in focus.

    Parameters
    ----------
    field : str
        Its name.
    levels : tuple of float
        Minus the distance from focus, for each code.
    codes : ndarray, shape (N, elements)
        One row for each level.
    """

    field: str
    levels: tuple[float, ...]
    codes: FloatArray


class CodeMap(NamedTuple):
    """Both codes of many images.

    Parameters
    ----------
    identity, blur : ndarray, shape (N, elements)
        One row for each image.
    identities : ndarray of int, shape (N,)
        What is seen.
    distances : ndarray, shape (N,)
        Distance from focus, without the side; >= 0.
    """

    identity: FloatArray
    blur: FloatArray
    identities: npt.NDArray[np.intp]
    distances: npt.NDArray[np.float64]


def write_code_paths(path: Path, paths: Sequence[CodePath], unit: str) -> None:
    """Draw the principal components of codes over levels, as they are and from each one's middle.

    Fields differ more than levels do, so that the first components of the codes as they are tell
    fields apart; without the mean code of each field, they follow the blur.

    Parameters
    ----------
    path : Path
        An .svg, .png or .pdf file; replaced if it exists.
    paths : sequence of CodePath
        At least one, of codes of the same length.
    unit : str
        Of distances; "um" or "levels".

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    figure = new_figure(2 * _PANEL_INCHES + 0.8, _PANEL_INCHES)
    axes = figure.subplots(1, 2)
    for panel, centred in zip(axes, (False, True), strict=True):
        points = _draw_paths(panel, paths, PAPER, centred=centred)
    _add_scale(figure, points, list(axes), _minus(unit), PAPER)
    save_figure(figure, path)


def write_code_maps(path: Path, codes: CodeMap, unit: str) -> None:
    """Draw t-SNE maps of identity codes and of blur codes, by field and by distance from focus.

    A blur code of a single number is drawn against the distance instead.

    Parameters
    ----------
    path : Path
        An .svg, .png or .pdf file; replaced if it exists.
    codes : CodeMap
        At least six images.
    unit : str
        Of distances; "um" or "levels".

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    figure = new_figure(3 * _PANEL_INCHES + 0.8, _PANEL_INCHES)
    axes = figure.subplots(1, 3)
    panels = zip(axes, _map_panels(codes, unit, PAPER), strict=True)
    drawn = [points for panel, draw in panels if (points := draw(panel)) is not None]
    _add_scale(figure, drawn[0], list(axes), _from_focus(unit), PAPER)
    save_figure(figure, path)


def inline_codes(codes: Sequence[CodePath] | CodeMap, unit: str, name: str) -> list[str]:
    """Draw the same for a page, one element for each panel.

    Parameters
    ----------
    codes : sequence of CodePath, or CodeMap
        As for :func:`write_code_paths` or :func:`write_code_maps`.
    unit : str
        Of distances; "um" or "levels".
    name : str
        Distinguishes the figures from others on the page.

    Returns
    -------
    list of str
        Elements from :func:`focusfix.report.figures.inline_svg`.
    """
    if isinstance(codes, CodeMap):
        label, panels = _from_focus(unit), _map_panels(codes, unit, PAGE)
    else:
        label = _minus(unit)
        panels = [partial(_draw_paths, paths=codes, palette=PAGE, centred=c) for c in (False, True)]
    elements = []
    for number, draw in enumerate(panels):
        figure = new_figure(_PANEL_INCHES + 0.5, _PANEL_INCHES)
        axes = figure.subplots()
        points = draw(axes)
        if points is not None:
            _add_scale(figure, points, [axes], label, PAGE)
        elements.append(inline_svg(figure, f"{name}-{number}", axes.get_title()))
    return elements


def _draw_paths(
    axes: "Axes", paths: Sequence[CodePath], palette: Palette, *, centred: bool
) -> "PathCollection":
    """Draw codes over levels by their principal components, as they are or from their middle."""
    codes = [each.codes - (each.codes.mean(axis=0) if centred else 0) for each in paths]
    placed, shares = principal_components(np.concatenate(codes))
    first, lowest = 0, min(min(each.levels) for each in paths)
    for each in paths:
        x, y = placed[first : first + len(each.codes)].T
        first += len(each.codes)
        axes.plot(x, y, color=palette.grid, linewidth=_LINE, zorder=1)
        points = axes.scatter(
            x, y, c=each.levels, cmap=_LEVELS, s=_POINT, zorder=2, vmin=lowest, vmax=0.0
        )
    labels = [f"component {i + 1} ({share:.0%})" for i, share in enumerate(shares)]
    style_axes(axes, palette, labels[0], labels[1])
    axes.set_title("codes less the mean of each field" if centred else "codes")
    return points


def _map_panels(codes: CodeMap, unit: str, palette: Palette) -> "list[_DrawPanel]":
    """Prepare the panels of :func:`write_code_maps`; those that show no distance return None."""
    x, y = neighbour_map(codes.identity).T
    far = codes.distances

    def by_field(axes: "Axes") -> None:
        axes.scatter(x, y, c=codes.identities % _FIELDS_OF_MAP, cmap=_FIELDS, s=_POINT)
        _style_map(axes, palette, "identity code, by field")

    def by_distance(axes: "Axes") -> "PathCollection":
        _style_map(axes, palette, "identity code, by distance")
        return axes.scatter(x, y, c=far, cmap=_DISTANCES, s=_POINT)

    def blur(axes: "Axes") -> "PathCollection | None":
        if codes.blur.shape[1] == 1:
            _draw_number(axes, codes, unit, palette)
            return None
        _style_map(axes, palette, "blur code, by distance")
        u, v = neighbour_map(codes.blur).T
        return axes.scatter(u, v, c=far, cmap=_DISTANCES, s=_POINT)

    return [by_field, by_distance, blur]


def _style_map(axes: "Axes", palette: Palette, title: str) -> None:
    style_axes(axes, palette, "t-SNE 1", "t-SNE 2")
    axes.set_title(title)


def principal_components(rows: FloatArray, count: int = 2) -> tuple[FloatArray, FloatArray]:
    """Place rows by their first principal components.

    Parameters
    ----------
    rows : ndarray, shape (N, elements)
        Codes; N >= 2.
    count : int
        Number of components.

    Returns
    -------
    placed : ndarray, shape (N, count)
        Scores; components beyond the rank are 0.
    shares : ndarray, shape (count,)
        Share of the variance that each explains; 0 to 1.
    """
    centred = np.asarray(rows, dtype=np.float64) - np.mean(rows, axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    order = np.argsort(values)[::-1]
    values, vectors = np.maximum(values[order], 0), vectors[:, order]
    total = values.sum()
    placed, shares = np.zeros((len(rows), count)), np.zeros(count)
    kept = min(count, len(rows))
    placed[:, :kept] = vectors[:, :kept] * np.sqrt(values[:kept])
    shares[:kept] = values[:kept] / total if total > 0 else 0
    return placed, shares


def neighbour_map(rows: FloatArray, *, seed: int = 0) -> FloatArray:
    """Place rows in two dimensions so that neighbours stay neighbours (t-SNE, PCA first).

    Parameters
    ----------
    rows : ndarray, shape (N, elements)
        Codes; N >= 6. The perplexity is 30, or a third of N where that is less.
    seed : int
        Of what is random in it.

    Returns
    -------
    ndarray, shape (N, 2)
    """
    from sklearn.manifold import TSNE

    spread = float(np.std(rows)) or 1.0
    perplexity = min(_MOST_PERPLEXITY, len(rows) / 3)
    placing = TSNE(perplexity=perplexity, init="pca", random_state=seed)
    return np.asarray(placing.fit_transform(np.asarray(rows, dtype=np.float64) / spread))


def _draw_number(axes: "Axes", codes: CodeMap, unit: str, palette: Palette) -> None:
    for identity in np.unique(codes.identities):
        of_it = codes.identities == identity
        axes.plot(
            codes.distances[of_it], codes.blur[of_it, 0], ".-", linewidth=_LINE, markersize=4,
            color=palette.output, alpha=0.5,
        )  # fmt: skip
    style_axes(axes, palette, _from_focus(unit), "blur code")
    axes.set_title("blur code, one number")


def _from_focus(unit: str) -> str:
    return f"distance from focus ({unit})"


def _minus(unit: str) -> str:
    return f"minus {_from_focus(unit)}"


def _add_scale(
    figure: "Figure", points: "PathCollection", axes: list["Axes"], label: str, palette: Palette
) -> None:
    bar = figure.colorbar(points, ax=axes, shrink=0.8)
    bar.set_label(label, color=palette.ink, fontsize=9)
    bar.ax.tick_params(colors=palette.ink, labelsize=8)
    bar.outline.set_visible(False)
