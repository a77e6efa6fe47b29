r"""Richardson-Lucy deconvolution, with total variation against noise.

The estimate :math:`e` of what lies before the lens is multiplied, time after time, with how much
more light there is than it explains:

.. math:: e \leftarrow \frac{e}{1 - \lambda\, \mathrm{div}\frac{\nabla e}{|\nabla e|}} \cdot
          \frac{h * \big(m\, d / (h * e)\big)}{h * m}

with the image :math:`d` above the darkness of the camera, the PSF :math:`h` (even, so that it is
its own mirror image) and the mask :math:`m` of pixels that were recorded: the estimate goes on
beyond them. In the end the lens in focus is applied, :math:`y = h_0 * e`.

References
----------
Richardson, J. Opt. Soc. Am. 62, 1972; Lucy, Astron. J. 79, 1974; total variation by Dey et al.,
Microsc. Res. Tech. 69, 2006; the mask by Bertero and de Mol, Astron. Astrophys. Suppl. 147, 2000.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusfix.classical.lens import FocusChange, transfer_function
from focusfix.footprint import Footprint

Array = NDArray[np.float32]

_DARKEST = 1e-6
"""Nominal intensity below which nothing is divided by."""

_LEAST_COVER = 1e-2
_FLAT_SLOPE = 1e-5
_MOST_VARIATION = 0.25
"""The divergence of a direction is at least -4 and at most 4."""


@dataclass(frozen=True, eq=False)
class RichardsonLucy:
    """A deconvolution that is ready for tiles.

    Parameters
    ----------
    change : FocusChange
        Blur and focus of the lens.
    iterations : int
        How often the estimate is improved; >= 1. Far from focus more are needed, near it more of
        them bring out noise.
    total_variation : float
        Weight of the smoothing, lambda; 0 for none, below 0.25.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    change: FocusChange
    iterations: int = 50
    total_variation: float = 0.01

    def __post_init__(self) -> None:
        check_iterations(self.iterations, self.total_variation)

    @property
    def footprint(self) -> Footprint:
        """Two PSFs, the light that a pixel shares in one step; not exact.

        Each iteration passes on what the one before has found, so that in the end the whole image
        has a say everywhere. It fades so quickly that windows of this margin can be blended.
        """
        return Footprint(reach_px=2 * self.change.radius_px, stride_px=1, exact=False)

    def __call__(self, tiles: Array) -> Array:
        """Deconvolve tiles.

        Parameters
        ----------
        tiles : ndarray of float32, shape (N, 1, Y, X)
            Intensities with 0 for darkness, on any scale; negative ones count as 0.

        Returns
        -------
        ndarray of float32, shape (N, 1, Y, X)
            Restored; >= 0.
        """
        margin = self.change.radius_px
        rows, columns = (slice(margin, margin + size) for size in tiles.shape[-2:])
        shape = _fast_shape(tiles.shape[-2:], margin)
        blur = _Convolution(self.change.blurred, shape)
        recorded = np.zeros((*tiles.shape[:-2], *shape), dtype=np.float32)
        mask = np.zeros(shape, dtype=np.float32)
        recorded[..., rows, columns] = np.maximum(tiles, 0)
        mask[rows, columns] = 1
        cover = np.maximum(blur(mask), _LEAST_COVER)
        mean = np.maximum(tiles, 0).mean(axis=(-2, -1), keepdims=True)
        estimate = np.zeros_like(recorded) + np.maximum(mean, _DARKEST)
        for _ in range(self.iterations):
            ratio = np.divide(recorded, np.maximum(blur(estimate), _DARKEST), dtype=np.float32)
            factor = np.divide(np.maximum(blur(ratio), 0), cover, dtype=np.float32)
            if self.total_variation:
                factor /= 1 - self.total_variation * _curvature(estimate)
            estimate *= factor
        restored = _Convolution(self.change.focused, shape)(estimate)
        return np.ascontiguousarray(np.maximum(restored[..., rows, columns], 0))


def check_iterations(iterations: int, total_variation: float) -> None:
    """Refuse numbers out of range.

    Raises
    ------
    ValueError
        If there is no iteration, or the smoothing could divide by zero or less.
    """
    if iterations < 1:
        raise ValueError(f"iterations must be at least 1, not {iterations}")
    if not 0 <= total_variation < _MOST_VARIATION:
        raise ValueError(f"total_variation must be in [0, 0.25), not {total_variation}")


class _Convolution:
    """Blur images of one size by an even PSF, as if they were repeated all around."""

    def __init__(self, psf: Array, shape: tuple[int, int]) -> None:
        self._shape = shape
        self._transfer = transfer_function(psf, shape)

    def __call__(self, image: Array) -> Array:
        from scipy.fft import irfft2, rfft2

        spectrum = rfft2(image, workers=-1)
        spectrum *= self._transfer
        return np.asarray(irfft2(spectrum, self._shape, workers=-1), dtype=np.float32)


def _fast_shape(shape: tuple[int, ...], margin: int) -> tuple[int, int]:
    """Return a size with room for the margin that is quick to transform."""
    from scipy.fft import next_fast_len

    height, width = (int(next_fast_len(size + 2 * margin, real=True)) for size in shape)
    return height, width


def _curvature(image: Array) -> Array:
    """Return the divergence of the direction of the gradient: negative on bright ridges."""
    down = np.diff(image, axis=-2, append=image[..., -1:, :])
    right = np.diff(image, axis=-1, append=image[..., :, -1:])
    slope = np.sqrt(np.square(down) + np.square(right)) + _FLAT_SLOPE
    down /= slope
    right /= slope
    along = np.diff(down, axis=-2, prepend=np.zeros_like(down[..., :1, :]))
    return along + np.diff(right, axis=-1, prepend=np.zeros_like(right[..., :1]))
