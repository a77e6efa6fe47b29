import numpy as np
import pytest

from focusfix.classical.lens import FocusChange, transfer_function
from focusfix.optics import OpticsSettings, defocus_psf, image_plane

LENS = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.5)


def test_knows_blur_and_focus() -> None:
    change = FocusChange.of_lens(LENS, 6.0)
    np.testing.assert_array_equal(change.blurred, defocus_psf(LENS, 6.0))
    np.testing.assert_array_equal(change.focused, defocus_psf(LENS, 0.0))
    assert change.radius_px == len(change.blurred) // 2


def test_multiplying_by_the_transfer_function_is_blurring() -> None:
    psf = defocus_psf(LENS, 3.0)
    image = np.zeros((64, 81), np.float32)
    image[20:40, 30:50] = np.random.default_rng(0).random((20, 20))
    transfer = transfer_function(psf, image.shape)
    blurred = np.fft.irfft2(np.fft.rfft2(image) * transfer, image.shape)
    np.testing.assert_allclose(blurred, image_plane(image, psf), atol=1e-5)
    assert transfer[0, 0] == pytest.approx(1)


def test_refuses_an_image_smaller_than_the_psf() -> None:
    with pytest.raises(ValueError, match="smaller than the PSF"):
        transfer_function(np.ones((9, 9), np.float32), (8, 20))
