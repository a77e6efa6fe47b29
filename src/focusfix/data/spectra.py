"""Blur as a product of spectra, on fields that continue at their opposite border."""

import numpy as np

from focusfix.optics import FloatArray


def transfer_function(psf: FloatArray, field_px: int) -> FloatArray:
    """Transform a PSF that is symmetric about its middle, shape (F, F // 2 + 1)."""
    padded = np.zeros((field_px, field_px), dtype=np.float32)
    padded[: psf.shape[0], : psf.shape[1]] = psf
    centred = np.roll(padded, (-(psf.shape[0] // 2), -(psf.shape[1] // 2)), axis=(0, 1))
    return np.asarray(np.fft.rfft2(centred).real, dtype=np.float32)


def from_spectrum(spectrum: np.ndarray) -> FloatArray:
    """Transform a spectrum of shape (F, F // 2 + 1) back to a field (F, F)."""
    return np.asarray(np.fft.irfft2(spectrum), dtype=np.float32)
