"""Models bound to their parameters: what each binding computes, on tiny networks."""

import numpy as np
import pytest
import torch
from torch import Tensor

from focusfix.config import CheckpointHeader
from focusfix.errors import ModelError
from focusfix.models.line_model import LatentLineModel
from focusfix.models.manifold import ManifoldAutoencoder
from focusfix.models.registry import build_network, get_entry
from focusfix.models.two_code_model import DisentangledModel
from focusfix.operations.bindings import (
    Execution,
    bind_blur,
    bind_extrapolation,
    bind_focus,
    bind_interpolation,
    build_function,
    check_ability,
    estimate_alpha,
    fit_to_stride,
    read_blur_code,
    run_whole,
)
from focusfix.optics import OpticsSettings, defocus_psf, image_plane
from focusfix.runtime.device import select_device

CPU = select_device("cpu")
LENS = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.5)


def header(model: str, *abilities: str) -> CheckpointHeader:
    return CheckpointHeader.model_validate(
        {
            "model": model,
            "hyperparameters": dict(get_entry(model).tiny),
            "abilities": abilities,
            "modality": "any",
            "trained_on": "nothing",
            "licence": "BSD-3-Clause",
            "seed": 0,
            "steps": 0,
            "versions": {"focusfix": "0"},
            "summary": "For tests",
        }
    )


@pytest.fixture(scope="module")
def line() -> LatentLineModel:
    torch.manual_seed(0)
    network = build_network("linear-ae-direct", get_entry("linear-ae-direct").tiny)
    assert isinstance(network, LatentLineModel)
    return network.eval()


@pytest.fixture
def codes() -> DisentangledModel:
    torch.manual_seed(0)
    return ManifoldAutoencoder(widths=(3, 4)).eval()


def pair() -> np.ndarray:
    return np.random.default_rng(0).random((2, 48, 40), dtype=np.float32)


def tensor(plane: np.ndarray) -> Tensor:
    return torch.from_numpy(plane)[None, None]


def test_a_model_without_the_ability_is_told_from_those_with_it() -> None:
    check_ability(header("wiener-unet", "deblur"), "deblur", "mine")
    with pytest.raises(ModelError, match="mine was trained to deblur, not to interpolate") as error:
        check_ability(header("wiener-unet", "deblur"), "interpolate", "mine")
    assert "linear-ae-direct" in error.value.fix
    assert "wiener-unet" not in error.value.fix


@pytest.mark.parametrize("bind", [bind_extrapolation, bind_interpolation])
def test_pairs_go_along_the_line_of_the_model(line, bind) -> None:
    images = pair()
    result = run_whole(bind(line, alpha=0.5), images, CPU)
    move = line.extrapolate_images if bind is bind_extrapolation else line.interpolate_images
    with torch.inference_mode():
        expected = move(tensor(images[0]), tensor(images[1]), alpha=0.5)
    np.testing.assert_allclose(result, expected[0, 0], atol=1e-6)


@pytest.mark.parametrize("bind", [bind_extrapolation, bind_interpolation])
@pytest.mark.parametrize("psf", [None, defocus_psf(LENS, 2.0)])
def test_alpha_one_is_the_image_itself(line, bind, psf) -> None:
    images = pair() if psf is None else pair()[:1]
    result = run_whole(bind(line, alpha=1.0, psf=psf), images, CPU)
    np.testing.assert_array_equal(result, images[0])


def test_alpha_zero_is_the_blurrier_end(line) -> None:
    images, psf = pair(), defocus_psf(LENS, 3.0)
    given = run_whole(bind_interpolation(line, alpha=0.0), images, CPU)
    np.testing.assert_array_equal(given, images[1])
    made = run_whole(bind_interpolation(line, alpha=0.0, psf=psf), images[:1], CPU)
    margin = psf.shape[0] // 2
    inside = (slice(margin, -margin),) * 2
    np.testing.assert_allclose(made[inside], image_plane(images[0], psf)[inside], atol=1e-5)


@pytest.mark.parametrize("bind", [bind_extrapolation, bind_interpolation])
def test_a_blurred_copy_is_a_pair_with_the_copy(line, bind) -> None:
    image, psf = pair()[:1], defocus_psf(LENS, 2.0)
    copy = run_whole(bind_interpolation(line, alpha=0.0, psf=psf), image, CPU)
    result = run_whole(bind(line, alpha=0.4, psf=psf), image, CPU)
    expected = run_whole(bind(line, alpha=0.4), np.stack([image[0], copy]), CPU)
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_tile_functions_return_the_core(line) -> None:
    binding = bind_extrapolation(line, alpha=0.5, psf=defocus_psf(LENS, 2.0))
    function = build_function(binding, Execution(CPU, precision="fp32", runtime="torch"))
    halo = binding.footprint.halo_px
    side = 2 * halo + 16
    tile = np.random.default_rng(0).random((1, 1, side, side), dtype=np.float32)
    core = function(tile)[0, 0, halo:-halo, halo:-halo]
    whole = run_whole(binding, tile[0], CPU)[halo:-halo, halo:-halo]
    np.testing.assert_allclose(core, whole, atol=1e-6)
    two = build_function(bind_extrapolation(line, alpha=0.5), Execution(CPU), images=2)
    assert two(np.concatenate([tile, tile], axis=1)).shape == tile.shape


def test_the_focus_code_is_swapped_in(codes) -> None:
    image = pair()[:1]
    with pytest.raises(ModelError, match="hold no blur code"):
        bind_focus(codes)
    code = read_blur_code(codes, pair()[1])
    codes.set_focus_code(code)
    stored = run_whole(bind_focus(codes), image, CPU)
    given = run_whole(bind_focus(codes, focus_code=code), image, CPU)
    np.testing.assert_allclose(given, stored, atol=1e-6)
    assert np.abs(given - run_whole(codes, image, CPU)).max() > 1e-6


def test_blur_codes_are_mixed(codes) -> None:
    images = pair()
    sharper, blurrier = (read_blur_code(codes, image) for image in images)
    one = run_whole(bind_blur(codes, sharper, blurrier, alpha=1.0), images[:1], CPU)
    np.testing.assert_array_equal(one, images[0])
    none = run_whole(bind_blur(codes, sharper, blurrier, alpha=0.0), images[:1], CPU)
    swapped = run_whole(bind_focus(codes, focus_code=blurrier), images[:1], CPU)
    np.testing.assert_allclose(none, swapped, atol=1e-6)


def test_codes_are_read_from_planes_of_any_size(codes) -> None:
    plane = pair()[0]
    stride = codes.footprint.stride_px
    for shape in ((3, 5), (stride, 2 * stride + 3), plane.shape):
        code = read_blur_code(codes, plane[: shape[0], : shape[1]])
        assert code.shape == (1, *codes.focus_code.shape)
        assert torch.isfinite(code).all()


@pytest.mark.parametrize(("length", "expected"), [(8, 8), (11, 8), (3, 8), (17, 16)])
def test_planes_are_fitted_to_the_stride(length: int, expected: int) -> None:
    plane = np.arange(length, dtype=np.float32)[:, None] * np.ones((1, 8), np.float32)
    fitted = fit_to_stride(plane, 8)
    assert fitted.shape == (expected, 8)
    if length >= 8:
        rest = length - expected
        np.testing.assert_array_equal(fitted[:, 0], plane[rest // 2 : rest // 2 + expected, 0])


def test_models_may_have_an_opinion_on_alpha(line, monkeypatch) -> None:
    assert estimate_alpha(line, pair(), None, CPU) is None
    seen = []

    def best_alpha(sharper: Tensor, blurrier: Tensor, psf: Tensor | None = None) -> float:
        seen.append((sharper, blurrier, psf))
        return 0.3

    monkeypatch.setattr(line, "best_alpha", best_alpha, raising=False)
    images = pair()
    assert estimate_alpha(line, images, None, CPU) == 0.3
    assert estimate_alpha(line, images[:1], np.ones((1, 1), np.float32), CPU) == 0.3
    np.testing.assert_array_equal(seen[0][1][0, 0], images[1])
    np.testing.assert_allclose(seen[1][1][0, 0], images[0], atol=1e-6)
