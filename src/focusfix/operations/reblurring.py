"""Whether a sharpened window, blurred again, gives the window back, and what else it shows."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from focusfix.metrics.noise import estimate_noise

Plane = npt.NDArray[np.float32]
Transfer = npt.NDArray[np.complex128]
Inside = tuple[slice, slice]

_GIVE_UP = 4.0


def inside_of(margin_px: int) -> Inside:
    """Leave out the border that light from outside, or from the opposite edge, reaches."""
    return (slice(margin_px, -margin_px or None),) * 2


def contrast(image: Plane) -> float:
    """Measure the standard deviation of an image without its noise."""
    noise = estimate_noise(image)
    return math.sqrt(max(float(image.var(dtype=np.float64)) - noise**2, 0.0))


def noise_share(image: Plane, result: Plane) -> float:
    """Tell how much of a change is noise that was added: 1 if all of it; variances."""
    growth = estimate_noise(result) ** 2 - estimate_noise(image) ** 2
    change = float(np.mean((result - image) ** 2, dtype=np.float64))
    return max(growth, 0.0) / change if change > 0 else 0.0


def kernel_transfer(psf: npt.NDArray[np.float32], shape: tuple[int, ...]) -> Transfer:
    """Turn a kernel into the factor of each frequency of an image of some shape.

    Parameters
    ----------
    psf : ndarray, shape (S, S), S odd
        Sums to one; not larger than the image.
    shape : tuple of int
        Of the image.

    Returns
    -------
    ndarray of complex, shape (Y, X // 2 + 1)
    """
    padded = np.zeros(shape)
    padded[: psf.shape[0], : psf.shape[1]] = psf
    middle = psf.shape[0] // 2
    return np.asarray(np.fft.rfft2(np.roll(padded, (-middle, -middle), axis=(0, 1))))


def unexplained_rms(
    image: Plane, result: Plane, transfers: Sequence[Transfer], inside: Inside
) -> float:
    """Blur a result more and more, by mixtures of neighbouring kernels, while that helps.

    Parameters
    ----------
    image, result : ndarray of float32, shape (Y, X)
        The window, and what was made of it.
    transfers : sequence of ndarray, shape (Y, X // 2 + 1)
        Of the kernels, from the narrowest to the widest.
    inside : tuple of slice
        Where the two are compared.

    Returns
    -------
    float
        What the best mixture leaves between them, noise from pixel to pixel apart; root mean
        square in the unit of the image.
    """
    spectrum = np.fft.rfft2(result)
    blurred = [np.fft.irfft2(spectrum * transfers[0], s=image.shape)[inside]]
    wanted = image[inside].astype(np.float64)
    best = _unexplained(wanted - blurred[0])
    for transfer in transfers[1:]:
        blurred = [blurred[-1], np.fft.irfft2(spectrum * transfer, s=image.shape)[inside]]
        difference, step = wanted - blurred[0], blurred[1] - blurred[0]
        power = float((step**2).sum())
        share = float((difference * step).sum()) / power if power > 0 else 0.0
        residual = _unexplained(difference - min(max(share, 0.0), 1.0) * step)
        if residual > _GIVE_UP * best:
            break
        best = min(best, residual)
    return math.sqrt(best)


def _unexplained(difference: npt.NDArray[np.float64]) -> float:
    """Return the mean square of a difference without its noise from pixel to pixel."""
    return max(float(np.mean(difference**2)) - estimate_noise(difference) ** 2, 0.0)
