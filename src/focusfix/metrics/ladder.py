"""A field as a ladder of levels, and how far images made from it are from what they should be."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from focusfix.footprint import Footprint
from focusfix.metrics.fidelity import ssim

if TYPE_CHECKING:
    from torch import Tensor

FloatArray = NDArray[np.floating]

RECONSTRUCTION, SYNTHESIS, DEBLURRING = "reconstruction", "synthesis", "deblurring"
"""Tasks: give an image back; make a level from others; make the level in focus."""

MODEL, NOTHING = "model", "doing nothing"
"""Methods; doing nothing takes the sharper input for the result."""

_LEAST_SSIM_PX = 11
_ROUNDING_MSE = 1e-12


@dataclass(frozen=True)
class Ladder:
    """One field, from its blurriest level to the one in focus.

    Parameters
    ----------
    field : str
        Its name.
    levels : tuple of float
        Position of each image, in z-levels or micrometres; without turning back.
    images : ndarray, shape (N, Y, X), float32
        On one intensity scale, nominal range [0, 1]; N >= 2.
    side : {1, -1}
        Whether the levels lie above or below the one in focus.

    Raises
    ------
    ValueError
        If there are fewer than two levels, they turn back, or there is not one image for each.
    """

    field: str
    levels: tuple[float, ...]
    images: NDArray[np.float32]
    side: int = 1

    def __post_init__(self) -> None:
        steps = np.diff(self.levels)
        if len(self.levels) < 2 or not (np.all(steps > 0) or np.all(steps < 0)):
            msg = f"levels must be two or more and not turn back, got {self.levels}"
            raise ValueError(msg)
        if self.images.ndim != 3 or len(self.images) != len(self.levels):
            msg = f"expected {len(self.levels)} images (N, Y, X), got {self.images.shape}"
            raise ValueError(msg)

    def alpha(self, place: int) -> float:
        """Return the weight of the image in focus in the one at a place; 0 to 1."""
        first, last = self.levels[0], self.levels[-1]
        return (self.levels[place] - first) / (last - first)

    def stretched(self) -> "Ladder":
        """Stretch every image to its own full range, as the paper's code does.

        Blur's loss of brightness is gone then, and one hot pixel dims an image. The truncation to
        8 bits of that code is left out.
        """
        lows = self.images.min(axis=(1, 2), keepdims=True)
        spans = self.images.max(axis=(1, 2), keepdims=True) - lows
        images = (self.images - lows) / np.where(spans > 0, spans, 1)
        return Ladder(self.field, self.levels, images.astype(np.float32))

    def middle(self, side_px: int) -> "Ladder":
        """Cut a square out of the middle of every image."""
        y, x = ((size - side_px) // 2 for size in self.images.shape[1:])
        if min(y, x) < 0:
            msg = f"images of {self.images.shape[1:]} have no middle of {side_px} px"
            raise ValueError(msg)
        cut = self.images[:, y : y + side_px, x : x + side_px]
        return Ladder(self.field, self.levels, np.ascontiguousarray(cut))


class Made(NamedTuple):
    """One image that a method made, and what it should be.

    Parameters
    ----------
    task, method : str
        What was wanted, and of whom.
    place : int
        Place of the level on the ladder: the one made, or, deblurring, that of the sharper input.
    image, reference : ndarray, shape (Y, X)
        Nominal range [0, 1].
    """

    task: str
    method: str
    place: int
    image: FloatArray
    reference: FloatArray


@dataclass(frozen=True)
class Comparison:
    """How far an image is from what it should be.

    Parameters
    ----------
    task, method, field : str
        What was wanted, of whom, and where.
    level : float
        Level that was made, or, deblurring, that of the sharper input.
    is_end : bool
        Whether a synthesised level is an end of the ladder, which is given.
    mse, ssim : float
        Both images clipped to [0, 1]; SSIM is NaN where it was not measured.
    """

    task: str
    method: str
    field: str
    level: float
    is_end: bool
    mse: float
    ssim: float


@dataclass(frozen=True)
class Summary:
    """Comparisons of one kind, averaged.

    Parameters
    ----------
    psnr_db : float
        Mean of the PSNR of each image, data range 1; exact images are left out, and so are those
        that differ by rounding only.
    pooled_psnr_db : float
        PSNR of the mean squared error of all images together, as the paper has it.
    ssim : float
        Mean; NaN where it was not measured.
    n_images, n_exact : int
        Images, and those of them that were left out as exact.
    """

    psnr_db: float
    pooled_psnr_db: float
    ssim: float
    n_images: int
    n_exact: int


def run_padded(
    footprint: Footprint, function: Callable[..., "Tensor"], *images: FloatArray
) -> NDArray[np.float32]:
    """Run a function of a model on whole images, continued by reflection as far as it looks.

    Parameters
    ----------
    footprint : Footprint
        Of the model; decides about the margin.
    function : callable
        From tensors (1, 1, Y, X) to one of the same shape.
    *images : ndarray, shape (Y, X)
        Its arguments; all of one size.

    Returns
    -------
    ndarray, shape (Y, X), float32
    """
    import torch

    halo, stride = footprint.halo_px, footprint.stride_px
    height, width = images[0].shape
    margins = [(halo, halo + -size % stride) for size in (height, width)]
    padded = [np.pad(image, margins, mode="symmetric").astype(np.float32) for image in images]
    with torch.inference_mode():
        output = function(*(torch.from_numpy(each[None, None]) for each in padded))[0, 0]
    return np.asarray(output.numpy()[halo : halo + height, halo : halo + width])


def compare(ladder: Ladder, made: Iterable[Made], *, with_ssim: bool = True) -> list[Comparison]:
    """Measure what was made of a field.

    Parameters
    ----------
    ladder : Ladder
        The field.
    made : iterable of Made
        What methods made of it.
    with_ssim : bool
        Whether to measure SSIM, which takes longer than the rest.

    Returns
    -------
    list of Comparison
        In the order of ``made``.
    """
    rows = []
    for each in made:
        image, reference = np.clip(each.image, 0, 1), np.clip(each.reference, 0, 1)
        error = np.subtract(image, reference, dtype=np.float64)
        measured = with_ssim and min(image.shape) >= _LEAST_SSIM_PX
        rows.append(
            Comparison(
                each.task,
                each.method,
                ladder.field,
                ladder.levels[each.place],
                each.place in (0, len(ladder.levels) - 1),
                float(np.mean(error**2)),
                ssim(image, reference, data_range=1.0) if measured else math.nan,
            )
        )
    return rows


def summarise(rows: Sequence[Comparison]) -> Summary:
    """Average comparisons.

    Parameters
    ----------
    rows : sequence of Comparison
        At least one; of one task and method, or the mean says little.

    Returns
    -------
    Summary
        PSNRs are ``inf`` if all images are exact.

    Raises
    ------
    ValueError
        If there is no comparison.
    """
    if not rows:
        raise ValueError("there is nothing to average")
    errors = np.array([row.mse for row in rows])
    inexact = errors[errors > _ROUNDING_MSE]
    pooled = float(errors.mean())
    return Summary(
        psnr_db=float(np.mean(-10 * np.log10(inexact))) if inexact.size else math.inf,
        pooled_psnr_db=-10 * math.log10(pooled) if pooled > 0 else math.inf,
        ssim=float(np.mean([row.ssim for row in rows])),
        n_images=len(rows),
        n_exact=len(errors) - len(inexact),
    )
