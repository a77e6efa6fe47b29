"""How close an image comes to a reference: intensity, structure, and lost frequencies.

The data range is always given, never guessed from the pixels.
"""

import math

import numpy as np
from numpy.typing import NDArray

from focusfix.metrics.spectrum import frequency_grid, windowed_spectrum, without_mean

FloatArray = NDArray[np.floating]

SSIM_SIGMA_PX = 1.5


def psnr(image: FloatArray, reference: FloatArray, *, data_range: float) -> float:
    r"""Compute the peak signal-to-noise ratio, :math:`10 \log_{10}(R^2 / \mathrm{MSE})`.

    Parameters
    ----------
    image, reference : ndarray, same shape
        Intensities on the same scale; the image is clipped to [0, data_range] first.
    data_range : float
        Largest possible intensity R, such as 4095 for a 12-bit camera; > 0.

    Returns
    -------
    float
        Decibels; ``inf`` for identical images.

    Raises
    ------
    ValueError
        If the shapes differ or ``data_range`` is not positive.

    Examples
    --------
    >>> psnr(np.full((2, 2), 10.0), np.zeros((2, 2)), data_range=100.0)
    20.0
    """
    check_images(image, reference, data_range)
    clipped = np.clip(np.asarray(image, dtype=np.float64), 0, data_range)
    mse = float(np.mean((clipped - np.asarray(reference, dtype=np.float64)) ** 2))
    return math.inf if mse == 0 else 10 * math.log10(data_range**2 / mse)


def ssim(image: FloatArray, reference: FloatArray, *, data_range: float) -> float:
    """Compute the structural similarity index with the settings of its authors.

    Gaussian window of 1.5 pixels (11 x 11), K1 = 0.01, K2 = 0.03, population covariance.

    Parameters
    ----------
    image, reference : ndarray, shape (Y, X)
        Intensities on the same scale; at least 11 x 11 pixels.
    data_range : float
        Largest possible intensity; > 0.

    Returns
    -------
    float
        At most 1, which is reached by identical images.

    Raises
    ------
    ValueError
        If the shapes differ or ``data_range`` is not positive.
    """
    from skimage.metrics import structural_similarity

    check_images(image, reference, data_range)
    return float(
        structural_similarity(
            np.asarray(image, dtype=np.float64),
            np.asarray(reference, dtype=np.float64),
            data_range=data_range,
            gaussian_weights=True,
            sigma=SSIM_SIGMA_PX,
            use_sample_covariance=False,
        )
    )


def band_coherence(
    image: FloatArray, reference: FloatArray, *, low_per_px: float, high_per_px: float
) -> float:
    r"""Compare two images in a band of spatial frequencies.

    On every ring of frequencies, one step of the Fourier grid wide, the correlation is

    .. math:: C_r = \frac{\mathrm{Re} \sum_{f \in r} I_f R_f^*}
                        {\sqrt{\sum_{f \in r} |I_f|^2 \sum_{f \in r} |R_f|^2}};

    the coherence is its mean over the band, rings weighed by the reference's amplitude. Taken
    over the frequencies that a blur destroyed, this is what a restoration knows about them:
    1 for the truth, about 0 for structure that is invented, whatever its contrast.

    Parameters
    ----------
    image, reference : ndarray, shape (Y, X)
        Intensities; scale and offset do not matter. A Hann window is applied to both.
    low_per_px, high_per_px : float
        Edges of the band; cycles per pixel, 0 <= low < high <= 0.5.

    Returns
    -------
    float
        In [-1, 1]; 0 where one of the images has nothing in the band.

    Raises
    ------
    ValueError
        If the shapes differ or the band is empty.
    """
    check_images(image, reference, 1.0)
    rows, columns = reference.shape
    first, second = windowed_spectrum(image), windowed_spectrum(reference)
    frequency = frequency_grid((rows, columns))
    band = (frequency >= low_per_px) & (frequency < high_per_px)
    if not band.any():
        raise ValueError(f"no frequency lies in the band {low_per_px}-{high_per_px} per pixel")
    ring = (frequency[band] * min(rows, columns)).astype(np.intp)
    cross, power, true_power = (
        np.bincount(ring, weights=values)
        for values in (
            (first[band] * second[band].conj()).real,
            np.abs(first[band]) ** 2,
            np.abs(second[band]) ** 2,
        )
    )
    filled = power * true_power > 0
    if not filled.any():
        return 0.0
    correlation = cross[filled] / np.sqrt(power[filled] * true_power[filled])
    return float(np.average(correlation, weights=np.sqrt(true_power[filled])))


def nrmse(image: FloatArray, reference: FloatArray) -> float:
    r"""Compute the root-mean-square error in units of the reference's standard deviation.

    .. math:: \sqrt{\sum_i (I_i - R_i)^2 / \sum_i (R_i - \bar R)^2}

    Unlike norms that divide by the mean or the maximum, this one depends neither on the camera's
    offset nor on one bright pixel.

    Parameters
    ----------
    image, reference : ndarray, same shape
        Intensities on the same scale.

    Returns
    -------
    float
        0 for identical images, 1 for a constant image at the reference's mean; NaN if the
        reference is constant.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> nrmse(np.array([2.0, 2.0]), np.array([1.0, 3.0]))
    1.0
    """
    check_images(image, reference, 1.0)
    truth = np.asarray(reference, dtype=np.float64)
    spread = float(without_mean(truth).std())
    error = np.asarray(image, dtype=np.float64) - truth
    return math.sqrt(float(np.mean(error**2))) / spread if spread > 0 else math.nan


def pearson(image: FloatArray, reference: FloatArray) -> float:
    """Compute the correlation coefficient of the pixels.

    Parameters
    ----------
    image, reference : ndarray, same shape
        Intensities; gain and offset do not matter.

    Returns
    -------
    float
        In [-1, 1]; NaN if one of the images is constant.

    Raises
    ------
    ValueError
        If the shapes differ.

    Examples
    --------
    >>> round(pearson(np.array([1.0, 2.0, 3.0]), np.array([12.0, 14.0, 16.0])), 6)
    1.0
    """
    check_images(image, reference, 1.0)
    first, second = without_mean(image), without_mean(reference)
    scale = math.sqrt(float(np.sum(first**2)) * float(np.sum(second**2)))
    return float(np.sum(first * second)) / scale if scale > 0 else math.nan


def affine_fit(image: FloatArray, reference: FloatArray) -> NDArray[np.float64]:
    """Bring an image to the intensity scale of a reference by the best offset and gain.

    Parameters
    ----------
    image, reference : ndarray, same shape
        Intensities; only the image changes.

    Returns
    -------
    ndarray
        ``offset + gain * image`` with the least squared difference to the reference.

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    check_images(image, reference, 1.0)
    truth = np.asarray(reference, dtype=np.float64)
    centred = without_mean(image)
    spread = float(np.sum(centred**2))
    gain = float(np.sum(centred * without_mean(truth))) / spread if spread > 0 else 0.0
    return np.asarray(truth.mean() + gain * centred)


def check_images(image: FloatArray, reference: FloatArray, data_range: float) -> None:
    """Refuse images that cannot be compared.

    Parameters
    ----------
    image, reference : ndarray
        Intensities.
    data_range : float
        Largest possible intensity.

    Raises
    ------
    ValueError
        If the shapes differ or ``data_range`` is not positive.
    """
    if image.shape != reference.shape:
        raise ValueError(f"the images differ in shape: {image.shape} and {reference.shape}")
    if not data_range > 0:
        raise ValueError(f"data_range must be positive, not {data_range}")
