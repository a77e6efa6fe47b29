"""Tell a bright-field image from a fluorescence image by where its background lies.

Stained samples in bright field are dark structures on a bright background, fluorescence images
bright structures on a dark one. Most pixels being background, the median shows which.
"""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from focusfix.metrics.value_counts import ValueCounts, count_values

_GREY_THRESHOLD = 0.5
_COLOUR_THRESHOLD = 0.35
_SHARES = np.array([0.001, 0.5, 0.999])


def background_level(pixels: npt.NDArray[Any]) -> float:
    r"""Locate the median between the darkest and the brightest pixels.

    .. math:: b = \frac{P_{50} - P_{0.1}}{P_{99.9} - P_{0.1}}

    Parameters
    ----------
    pixels : ndarray of int or float, any shape
        Intensities; those that are not finite are left out.

    Returns
    -------
    float
        0 (dark background) to 1 (bright background); 0 if all intensities are equal.
    """
    finite = pixels[np.isfinite(pixels)] if pixels.dtype.kind == "f" else pixels
    return level_of_counts(count_values(finite)) if finite.size else 0.0


def level_of_counts(counts: ValueCounts) -> float:
    """Locate the median of intensities that were counted, as :func:`background_level`."""
    # numpy.percentile, which interpolates, would cost `focusfix info` a tenth of its start
    ranks = np.rint(_SHARES * (counts.size - 1)).astype(np.intp)
    low, median, high = counts.at_ranks(ranks)
    return float((median - low) / (high - low)) if high > low else 0.0


def guess_modality(window: npt.NDArray[Any]) -> Literal["fluorescence", "brightfield"]:
    """Guess how an image was taken.

    On the images that the default weights were trained on, the background level is 0.5 to 0.95
    in bright field and 0 to 0.29 in fluorescence. Grey images are taken for bright field from 0.5
    on. Colour images, which cameras of bright-field microscopes make, already from 0.35 on; below
    that they are colour overlays of fluorescence.

    Parameters
    ----------
    window : ndarray, shape (Y, X, S)
        Part of one plane that is large enough to show background and structures; S = 1 for grey,
        3 or 4 for RGB and RGBA. Alpha is left out.

    Returns
    -------
    {"fluorescence", "brightfield"}
        The likelier of the two.
    """
    threshold, brightness = _GREY_THRESHOLD, window[..., 0]
    if window.shape[-1] >= 3:
        threshold, brightness = _COLOUR_THRESHOLD, window[..., :3].mean(axis=-1, dtype=np.float64)
    return "brightfield" if background_level(brightness) >= threshold else "fluorescence"
