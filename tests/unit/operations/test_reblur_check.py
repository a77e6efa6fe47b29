"""The re-blur check on images whose blur and truth are planted."""

import numpy as np
import pytest
import torch

from focusfix.config import TrustCalibration
from focusfix.errors import ModelError
from focusfix.models.latent_line import LatentLine
from focusfix.models.registry import build_network, get_entry
from focusfix.operations.trust import ReblurCheck, as_reader, bind_trust, check_reblur
from focusfix.runtime.device import select_device

RADIUS_PX = 5.0
SIDE = 192


@pytest.fixture
def reader() -> LatentLine:
    """A network that reads one radius everywhere."""
    torch.manual_seed(0)
    network = LatentLine(widths=[4, 6], rank=2, hidden=6, window_px=12, support_px=24).eval()
    one = torch.ones(1, 1, SIDE // 4, SIDE // 4)
    network.read_blur = lambda _: (RADIUS_PX * one, 0.5 * one)  # type: ignore[method-assign]
    return network


@pytest.fixture
def sharp() -> np.ndarray:
    random = np.random.default_rng(0)
    return np.kron(random.random((SIDE // 8, SIDE // 8)), np.ones((8, 8))).astype(np.float32)


@pytest.fixture
def blurred(reader, sharp) -> np.ndarray:
    with torch.inference_mode():
        image = torch.from_numpy(sharp)[None, None]
        return reader.ladder(image, torch.full_like(image, RADIUS_PX))[0, 0].numpy()


def check(image: np.ndarray, restored: np.ndarray, reader: LatentLine) -> ReblurCheck:
    return check_reblur(image, restored.astype(np.float32), reader, select_device("cpu"))


def test_the_truth_gives_the_image_back(reader, sharp, blurred) -> None:
    found = check(blurred, sharp, reader)
    assert found.share < 0.01
    assert found.blur_radius_px == pytest.approx(RADIUS_PX)
    assert found.blur_radius_error_px == pytest.approx(0.5)
    assert found.contrast == pytest.approx(blurred[8:-8, 8:-8].std(), rel=0.05)


def test_noise_is_not_held_against_a_result(reader, sharp, blurred) -> None:
    noisy = blurred + np.random.default_rng(1).normal(0, 0.05, blurred.shape).astype(np.float32)
    found = check(noisy, sharp, reader)
    assert found.share < 0.1
    assert found.contrast == pytest.approx(check(blurred, sharp, reader).contrast, rel=0.1)


def test_coarse_structure_that_was_not_there_is_found(reader, sharp, blurred) -> None:
    wave = 0.1 * np.sin(2 * np.pi * np.arange(SIDE) / 48)
    found = check(blurred, sharp + wave, reader)
    assert found.residual == pytest.approx(np.sqrt(0.5) * 0.1, rel=0.2)
    assert found.share == pytest.approx(found.residual / found.contrast)


def test_doing_nothing_is_found(reader, blurred) -> None:
    assert check(blurred, blurred, reader).share > 0.2


def test_an_image_without_contrast_has_no_share() -> None:
    assert ReblurCheck(0.0, 0.0, 1.0, 1.0).share == 0


def test_other_networks_do_not_read_blur() -> None:
    network = build_network("wiener-unet", get_entry("wiener-unet").tiny)
    with pytest.raises(ModelError, match="do not read blur"):
        as_reader(network, "fluorescence")


def test_a_calibration_of_other_signs_is_refused(reader) -> None:
    network = build_network("wiener-unet", get_entry("wiener-unet").tiny)
    old = TrustCalibration(weights=(1.0, 2.0), fields=3, fitted_on="others")
    with pytest.raises(ModelError, match="does not fit this focusfix"):
        bind_trust(network, reader, old)
