r"""Wiener deconvolution: the linear filter with the smallest mean squared error.

With the transfer functions :math:`H` of the blur and :math:`H_0` of the lens in focus, and the
power of structure and noise (:mod:`focusfix.classical.spectrum`),

.. math:: W = \frac{H_0\, H\, S}{H^2 S + N}

The filter is cut where almost none of it is left. So it has a finite reach, and tiles give exactly
what the whole image gives.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusfix.classical.lens import FocusChange, transfer_function
from focusfix.classical.spectrum import SignalModel
from focusfix.footprint import Footprint
from focusfix.optics import FloatArray

DOUBTFUL_MISFIT = 0.1
"""Misfit above which an image does not look blurred as assumed."""

_BEARABLE_MISFIT = 0.03
_LEAST_TRANSFER = 1e-6
_ADDED_ERROR = 0.02
_WIDENING = 1.25
_LEAST_GRID_PX = 512
_GRIDS_PER_PSF = 4
_TAPER_SHARE = 0.25


@dataclass(frozen=True, eq=False)
class WienerDeconvolution:
    """A filter that is ready for tiles.

    Parameters
    ----------
    kernel : ndarray, shape (K, K), K odd
        Sums to one, so that even regions keep their grey value.
    """

    kernel: FloatArray

    @property
    def footprint(self) -> Footprint:
        """Half the kernel, without a grid."""
        return Footprint(reach_px=self.kernel.shape[0] // 2, stride_px=1)

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Filter tiles.

        Parameters
        ----------
        tiles : ndarray of float32, shape (N, 1, Y, X)
            Intensities on any scale.

        Returns
        -------
        ndarray of float32, shape (N, 1, Y, X)
            Restored; within the reach of the border as if darkness were beyond it.
        """
        from scipy.fft import irfft2, next_fast_len, rfft2

        reach = self.kernel.shape[0] // 2
        height, width = tiles.shape[-2:]
        shape = next_fast_len(height + reach, real=True), next_fast_len(width + reach, real=True)
        shape = max(shape[0], 2 * reach + 1), max(shape[1], 2 * reach + 1)
        gain = transfer_function(self.kernel, shape)
        filtered = irfft2(rfft2(tiles, shape, workers=-1) * gain, shape, workers=-1)
        return np.ascontiguousarray(filtered[..., :height, :width], dtype=np.float32)


def plan_wiener(
    change: FocusChange, signal: SignalModel, *, misfit: float = 0.0
) -> WienerDeconvolution:
    r"""Make the filter for a blur and an image.

    It is as wide as it takes for the cut to add at most a fiftieth of the error that is left
    without it: with the gain :math:`C` of the cut filter,

    .. math:: \sum_f |C - W|^2 (H^2 S + N) \le \frac{1}{50} \sum_f \frac{H_0^2 S N}{H^2 S + N}

    Parameters
    ----------
    change : FocusChange
        Blur and focus of the lens.
    signal : SignalModel
        Structure and noise of the image.
    misfit : float
        What structure and noise leave unexplained of the image's power, from `fit_signal`. More
        than 0.03 says that the image is hardly blurred like that; the noise is then assumed to be
        higher the more the blur has taken away, which holds the filter back.

    Returns
    -------
    WienerDeconvolution
        The filter.
    """
    from scipy.fft import irfft2

    side = max(_LEAST_GRID_PX, _GRIDS_PER_PSF * (2 * change.radius_px + 1))
    side += side % 2
    shape = side, side
    blurred = transfer_function(change.blurred, shape).astype(np.float64)
    focused = transfer_function(change.focused, shape).astype(np.float64)
    frequencies = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :])
    structure = signal.structure(frequencies)
    taken = 1 - np.square(np.minimum(blurred / np.maximum(focused, _LEAST_TRANSFER), 1))
    noise = signal.noise * (1 + (misfit / _BEARABLE_MISFIT) ** 3 * taken)
    power = np.square(blurred) * structure + noise
    gain = focused * blurred * structure / power
    allowed = _ADDED_ERROR * float(np.sum(np.square(focused) * structure * noise / power))
    kernel = np.fft.fftshift(irfft2(gain, shape))
    reach = change.radius_px
    while True:
        cut = _cut(kernel, min(reach, side // 2 - 1))
        lost = np.square(transfer_function(cut, shape) - gain)
        if np.sum(lost * power) <= allowed or reach >= side // 2 - 1:
            return WienerDeconvolution(cut)
        reach = int(_WIDENING * reach) + 1


def _cut(kernel: NDArray[np.float64], reach_px: int) -> FloatArray:
    """Cut a filter, fading it out over the outer quarter, and make it sum to one."""
    middle = kernel.shape[0] // 2
    part = slice(middle - reach_px, middle + reach_px + 1)
    axis = np.arange(-reach_px, reach_px + 1)
    radius = np.hypot(axis[:, None], axis[None, :]) / (reach_px + 1)
    phase = np.clip((radius - 1 + _TAPER_SHARE) / _TAPER_SHARE, 0, 1)
    cut = kernel[part, part] * 0.5 * (1 + np.cos(np.pi * phase))
    return np.asarray(cut / cut.sum(), dtype=np.float32)
