"""Pictures of a training run: its curve, and what it makes of validation crops."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from focusfix.io.atomic import partial_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_SMOOTHED_POINTS = 200
_CROP_INCHES = 2.2
_STRIP_INCHES = 2.45
_DPI = 100
PREVIEW_TITLES = ("out of focus", "restored", "in focus")
"""What the pictures of a preview are, unless told otherwise."""

_INPUT_COLOUR, _OUTPUT_COLOUR, _LOSS_COLOUR = "0.5", "tab:orange", "tab:blue"


class Curve(NamedTuple):
    """Numbers against steps.

    Parameters
    ----------
    steps : sequence of int
        Ascending.
    values : sequence of float
        As many.
    """

    steps: Sequence[int]
    values: Sequence[float]


class PreviewRow(NamedTuple):
    """One crop before and after.

    Parameters
    ----------
    out_of_focus, restored, in_focus : ndarray, shape (Y, X)
        Nominal range [0, 1].
    input_psnr_db, psnr_db : float, optional
        Of the untouched and of the restored crop, where that is known.
    """

    out_of_focus: npt.NDArray[np.floating]
    restored: npt.NDArray[np.floating]
    in_focus: npt.NDArray[np.floating]
    input_psnr_db: float | None = None
    psnr_db: float | None = None


def write_loss_curve(path: Path, loss: Curve, psnr_db: Curve, input_psnr_db: float | None) -> None:
    """Draw the loss, and the validation if there was any, against the steps.

    Parameters
    ----------
    path : Path
        PNG file; replaced if it exists.
    loss : Curve
        Loss of every step; drawn as means over a two-hundredth of them.
    psnr_db : Curve
        Validations.
    input_psnr_db : float, optional
        PSNR of the untouched validation crops: doing nothing.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    figure = _new_figure(6.4, 6.0 if psnr_db.steps else 3.2)
    axes = list(figure.subplots(2 if psnr_db.steps else 1, 1, sharex=True, squeeze=False)[:, 0])
    smooth = smooth_curve(loss)
    axes[0].plot(smooth.steps, smooth.values, color=_LOSS_COLOUR)
    axes[0].set_ylabel("training loss")
    axes[0].set_yscale("log" if min(smooth.values, default=0) > 0 else "linear")
    if psnr_db.steps:
        _draw_validation(axes[1], psnr_db, input_psnr_db)
    axes[-1].set_xlabel("step")
    figure.subplots_adjust(left=0.13, right=0.98, top=0.97, bottom=0.09 if psnr_db.steps else 0.16)
    _save(figure, path)


def _draw_validation(axes: "Axes", psnr_db: Curve, input_psnr_db: float | None) -> None:
    axes.plot(psnr_db.steps, psnr_db.values, ".-", color=_OUTPUT_COLOUR, label="restored")
    if input_psnr_db is not None:
        axes.axhline(input_psnr_db, color=_INPUT_COLOUR, linestyle="--", label="doing nothing")
    axes.set_ylabel("validation PSNR (dB)")
    axes.legend(frameon=False)


def smooth_curve(curve: Curve, points: int = _SMOOTHED_POINTS) -> Curve:
    """Average a curve over equal stretches, so that it has at most ``points`` of them.

    Parameters
    ----------
    curve : Curve
        Any number of points.
    points : int
        Most points of the result.

    Returns
    -------
    Curve
        Each at the last step of its stretch.

    Examples
    --------
    >>> smooth_curve(Curve([1, 2, 3, 4], [1.0, 3.0, 5.0, 7.0]), points=2)
    Curve(steps=[2, 4], values=[2.0, 6.0])
    """
    if not curve.steps:
        return Curve([], [])
    stretches = min(points, len(curve.steps))
    values = np.array_split(np.asarray(curve.values, dtype=np.float64), stretches)
    steps = np.array_split(np.asarray(curve.steps), stretches)
    return Curve([int(s[-1]) for s in steps], [float(v.mean()) for v in values])


def write_preview(
    path: Path, rows: Sequence[PreviewRow], titles: tuple[str, str, str] = PREVIEW_TITLES
) -> None:
    """Draw strips of crops out of focus, restored and in focus, on one intensity scale a strip.

    Parameters
    ----------
    path : Path
        PNG file; replaced if it exists. Its folder must exist.
    rows : sequence of PreviewRow
        At least one.
    titles : tuple of three str
        What the pictures of a row are.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    figure = _new_figure(3 * _CROP_INCHES, len(rows) * _STRIP_INCHES)
    grid = figure.subplots(len(rows), 3, squeeze=False)
    title_share = 1 - _CROP_INCHES / _STRIP_INCHES
    figure.subplots_adjust(0.01, 0.01, 0.99, 1 - title_share / len(rows), 0.03, title_share)
    for axes, row in zip(grid, rows, strict=True):
        low, high = (float(v) for v in np.percentile(row[:3], [0.5, 99.8]))
        psnrs = (*map(_decibels, (row.input_psnr_db, row.psnr_db)), "")
        for each, image, title, psnr in zip(axes, row[:3], titles, psnrs, strict=True):
            each.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            each.set_title(title + psnr, fontsize=8)
            each.set_axis_off()
    _save(figure, path)


def _decibels(psnr_db: float | None) -> str:
    return "" if psnr_db is None else f" {psnr_db:.1f} dB"


def _new_figure(width: float, height: float) -> "Figure":
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=_DPI)
    FigureCanvasAgg(figure)
    return figure


def _save(figure: "Figure", path: Path) -> None:
    with partial_file(path) as partial:
        figure.savefig(partial, format="png")
