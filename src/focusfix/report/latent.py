"""Pictures of latent codes: the paths that levels take, and maps of identity and blur."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from focusfix.report.figures import PAPER, new_figure, save_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

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
    middles = [each.codes.mean(axis=0) for each in paths]
    panels = (
        ("codes", [each.codes for each in paths]),
        ("codes less the mean of each field",
         [each.codes - middle for each, middle in zip(paths, middles, strict=True)]),
    )  # fmt: skip
    limits = (min(min(each.levels) for each in paths), 0.0)
    for panel, (title, codes) in zip(axes, panels, strict=True):
        placed, shares = principal_components(np.concatenate(codes))
        first = 0
        for each in paths:
            x, y = placed[first : first + len(each.codes)].T
            first += len(each.codes)
            panel.plot(x, y, color=PAPER.grid, linewidth=_LINE, zorder=1)
            points = panel.scatter(
                x, y, c=each.levels, cmap=_LEVELS, s=_POINT, zorder=2,
                vmin=limits[0], vmax=limits[1],
            )  # fmt: skip
        labels = [f"component {i + 1} ({share:.0%})" for i, share in enumerate(shares)]
        style_axes(panel, PAPER, labels[0], labels[1])
        panel.set_title(title)
    _add_scale(figure, points, list(axes), f"minus distance from focus ({unit})")
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
    placed = neighbour_map(codes.identity)
    shown = axes[0].scatter(*placed.T, c=codes.identities % _FIELDS_OF_MAP, cmap=_FIELDS, s=_POINT)
    shown = axes[1].scatter(*placed.T, c=codes.distances, cmap=_DISTANCES, s=_POINT)
    for panel, title in zip(
        axes, ("identity code, by field", "identity code, by distance"), strict=False
    ):
        style_axes(panel, PAPER, "t-SNE 1", "t-SNE 2")
        panel.set_title(title)
    if codes.blur.shape[1] == 1:
        _draw_number(axes[2], codes, unit)
    else:
        axes[2].scatter(*neighbour_map(codes.blur).T, c=codes.distances, cmap=_DISTANCES, s=_POINT)
        style_axes(axes[2], PAPER, "t-SNE 1", "t-SNE 2")
        axes[2].set_title("blur code, by distance")
    _add_scale(figure, shown, list(axes), f"distance from focus ({unit})")
    save_figure(figure, path)


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


def _draw_number(axes: "Axes", codes: CodeMap, unit: str) -> None:
    for identity in np.unique(codes.identities):
        of_it = codes.identities == identity
        axes.plot(
            codes.distances[of_it], codes.blur[of_it, 0], ".-", linewidth=_LINE, markersize=4,
            color=PAPER.output, alpha=0.5,
        )  # fmt: skip
    style_axes(axes, PAPER, f"distance from focus ({unit})", "blur code")
    axes.set_title("blur code, one number")


def _add_scale(figure: "Figure", points: "AxesImage", axes: list["Axes"], label: str) -> None:
    bar = figure.colorbar(points, ax=axes, shrink=0.8)
    bar.set_label(label, color=PAPER.ink, fontsize=9)
    bar.ax.tick_params(colors=PAPER.ink, labelsize=8)
    bar.outline.set_visible(False)
