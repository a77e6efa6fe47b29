"""One plane in pictures: images on one scale of grey values, enlarged, and what is wrong."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from focusfix.metrics.expected_error import compare_expected_error
from focusfix.report.page import ColourScale, Example, Picture, PictureRow
from focusfix.report.pictures import (
    Box,
    Scale,
    choose_zoom,
    data_uri,
    fit_difference,
    fit_scale,
    paint_difference,
    paint_map,
    paint_plane,
    shrink,
)

REFERENCE = "reference"
"""Role of the truth; other images are compared with it."""

_GREYS = "#000, #fff"
_DIFFERENCES = "#4da6ff, #101216, #ff8e38"
_ERRORS = "#0d083c, #7a1c6e, #de523c, #fadc82"

Images = Mapping[str, npt.NDArray[Any]]


def compose_example(
    title: str,
    note: str,
    images: Images,
    *,
    trust: npt.NDArray[Any] | None = None,
    distance: tuple[npt.NDArray[Any], npt.NDArray[Any]] | None = None,
) -> Example:
    """Show one plane.

    Parameters
    ----------
    title, note : str
        Which plane, and its scores.
    images : mapping of str to ndarray, shape (Y, X, S)
        By role, from left to right. The last sets the grey values that are black and white, and
        the part that is enlarged.
    trust : ndarray, shape (Y, X, S), optional
        Error that the output is expected to have; grey values.
    distance : (ndarray, ndarray), optional
        Distance from focus and its expected error, neighbourhood by neighbourhood; micrometres.

    Returns
    -------
    Example
        Whole and enlarged; with a reference, the differences from it; with a trust map, the
        expected beside the true error.
    """
    main = list(images.values())[-1]
    scale, zoom = fit_scale(main), choose_zoom(main.mean(axis=-1))
    black_to_white = ColourScale(
        _grey(scale.low),
        _grey(scale.high),
        _GREYS,
        f"grey values, {'the same for all' if len(images) > 1 else 'percentiles 0.1 and 99.9'}",
    )
    whole = [_whole(role, image, scale, zoom) for role, image in images.items()]
    parts = [
        replace(_picture(f"{role}, enlarged", paint_plane(zoom.cut(image), scale)), enlarged=True)
        for role, image in images.items()
    ]
    alone = len(images) == 1
    rows = [
        *([] if alone else [PictureRow(whole)]),
        PictureRow([*whole, *parts] if alone else parts, black_to_white),
    ]
    if REFERENCE in images and len(images) > 1:
        rows.append(_differences(images))
    if trust is not None:
        rows.append(_errors(images, trust))
    if distance is not None:
        maps = {"distance from focus": (distance[0], ""), "expected error": (distance[1], "")}
        rows.append(_maps(maps, "\N{MICRO SIGN}m"))
    return Example(title, note, rows)


def _whole(role: str, image: npt.NDArray[Any], scale: Scale, zoom: Box) -> Picture:
    rows, columns = image.shape[:2]
    box = (
        f"left:{100 * zoom.left / columns:.2f}%;top:{100 * zoom.top / rows:.2f}%;"
        f"width:{100 * zoom.width / columns:.2f}%;height:{100 * zoom.height / rows:.2f}%"
    )
    small = (zoom.height, zoom.width) != (rows, columns)
    picture = _picture(role, paint_plane(shrink(image), scale))
    return replace(picture, box=box) if small else picture


def _differences(images: Images) -> PictureRow:
    """Subtract the reference from the others, on one scale that suits the first of them."""
    truth = images[REFERENCE].mean(axis=-1)
    differences = {
        role: image.mean(axis=-1) - truth for role, image in images.items() if role != REFERENCE
    }
    limit = fit_difference(next(iter(differences.values())))
    pictures = [
        _picture(
            f"{role} \N{MINUS SIGN} reference",
            paint_difference(shrink(difference), limit),
            f"RMS {_grey(float(np.sqrt(np.mean(difference**2))))}",
        )
        for role, difference in differences.items()
    ]
    low, high = f"\N{MINUS SIGN}{_grey(limit)}", f"+{_grey(limit)}"
    return PictureRow(pictures, ColourScale(low, high, _DIFFERENCES, "grey values; black is equal"))


def _errors(images: Images, trust: npt.NDArray[Any]) -> PictureRow:
    """Show the expected error, beside the true one where the truth is known."""
    errors = {"expected error": (trust.mean(axis=-1), "")}
    if REFERENCE in images and "output" in images:
        pair = images["output"], images[REFERENCE]
        correlation = compare_expected_error(trust, *pair).correlation
        true_error = np.abs(pair[0] - pair[1]).mean(axis=-1)
        errors["true error"] = (true_error, f", correlation {correlation:.2f}")
    return _maps({name: (shrink(values), note) for name, (values, note) in errors.items()}, "grey")


def _maps(maps: Mapping[str, tuple[npt.NDArray[Any], str]], unit: str) -> PictureRow:
    """Show values from 0 up, each on a scale of its own."""
    pictures = []
    for title, (values, note) in maps.items():
        limit = fit_difference(values[np.isfinite(values)]) if np.isfinite(values).any() else 1.0
        text = f"0 to {_grey(limit)} {unit}{note}"
        pictures.append(replace(_picture(title, paint_map(values, limit), text), enlarged=True))
    return PictureRow(pictures, ColourScale("0", "most", _ERRORS, "each on its own scale"))


def _grey(value: float) -> str:
    """Write a grey value; large ones without decimals."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _picture(title: str, pixels: npt.NDArray[np.uint8], note: str = "") -> Picture:
    height, width = pixels.shape[:2]
    return Picture(title, note, data_uri(pixels), width, height)
