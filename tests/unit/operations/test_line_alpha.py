"""Which alphas are tried for which model, and what results are blurred again with."""

import numpy as np
import pytest
import torch

from focusfix.models.registry import build_network, get_entry
from focusfix.operations.alpha import ALPHAS, AROUND, AROUND_PAIRS, RADII_PX
from focusfix.operations.line_alpha import LineTrial, reblurring_psfs
from focusfix.optics import OpticsSettings, defocus_psf
from focusfix.runtime.device import select_device

LENS = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.65)
SIDE_PX = 160


def make_trial(name: str, *, pair: bool) -> LineTrial:
    torch.manual_seed(0)
    network = build_network(name, dict(get_entry(name).tiny)).eval()
    image = np.random.default_rng(0).random((SIDE_PX, SIDE_PX), dtype=np.float32)
    farther = (image + np.roll(image, 1, axis=0)) / 2
    psf = None if pair else defocus_psf(LENS, 2.0).astype(np.float32)
    images = np.stack([image, farther] if pair else [image])
    return LineTrial(network, images, psf, select_device("cpu"))


def test_kernels_go_from_none_to_the_widest() -> None:
    kernels = reblurring_psfs(LENS)
    assert len(kernels) == len(RADII_PX)
    assert kernels[0].shape == (1, 1)
    widths = [len(kernel) for kernel in kernels]
    assert widths == sorted(widths)
    for kernel in kernels:
        assert kernel.dtype == np.float32
        assert kernel.sum() == pytest.approx(1.0, abs=1e-5)


def test_a_model_without_an_opinion_is_tried_with_all_alphas() -> None:
    search = make_trial("linear-ae-direct", pair=True).choose_alpha(LENS)
    assert [trial.alpha for trial in search.trials] == list(ALPHAS)


@pytest.mark.parametrize("pair", [False, True])
def test_a_model_that_knows_focus_is_tried_around_its_estimate(monkeypatch, pair) -> None:
    trial = make_trial("latent-line", pair=pair)
    monkeypatch.setattr(type(trial.network), "best_alpha", lambda *_: 0.4)
    tried = [each.alpha for each in trial.choose_alpha(LENS).trials]
    factors = AROUND_PAIRS if pair else AROUND
    assert tried == pytest.approx([0.4 * factor for factor in factors])


def test_alpha_one_leaves_the_window_as_it_is() -> None:
    trial = make_trial("latent-line", pair=False)
    np.testing.assert_array_equal(trial.deblur(1.0), trial.images[0])
