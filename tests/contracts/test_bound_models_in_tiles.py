"""Every registered model that takes parameters, bound to them: tiles give what the whole gives."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest

from focusfix.blocks import assemble_blocks
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.survey import survey_source
from focusfix.engine.tiles import plan_tiles
from focusfix.models.base import Restorer
from focusfix.models.entries import ModelEntry
from focusfix.models.registry import list_entries
from focusfix.operations.bindings import (
    Execution,
    bind_blur,
    bind_distance,
    bind_extrapolation,
    bind_focus,
    bind_interpolation,
    bind_planes,
    bind_surface,
    build_function,
    read_blur_code,
)
from focusfix.optics import OpticsSettings, defocus_psf
from focusfix.runtime.device import select_device

LENS = OpticsSettings(numerical_aperture=0.5, wavelength_um=0.5, pixel_size_um=0.5)


def entries(family: str) -> list[ModelEntry]:
    return [entry for entry in list_entries() if entry.family == family]


@pytest.fixture
def build(build_tiny: Callable[..., Restorer]) -> Callable[[ModelEntry], Restorer]:
    return partial(build_tiny, alpha=0.05)


def check(binding: Restorer, images: int) -> None:
    footprint = binding.footprint
    assert footprint.exact
    height, width = footprint.halo_px // 2 + 61, footprint.halo_px // 2 + 83
    planes = np.random.default_rng(0).integers(0, 4096, (images, 1, height, width, 1), np.uint16)
    source, *companions = (ArraySource(image) for image in planes)
    scales = survey_source(source, [0], companions=companions).scales
    execution = Execution(select_device("cpu"), precision="fp32", runtime="torch")
    function = build_function(binding, execution, images=images)
    results = []
    for tile_px in (4096, 2 * footprint.halo_px + max(height, width) // 2 + footprint.stride_px):
        plan = plan_tiles((height, width), footprint, tile_px=tile_px)
        blocks = restore(source, function, plan, scales, companions=companions, dtype="f4")
        results.append(assemble_blocks(blocks, plan.shape_yx))
    assert plan.n_tiles >= 4
    np.testing.assert_allclose(results[1], results[0], atol=4096e-5)
    assert np.abs(results[0] - planes[0, 0]).max() > 1


@pytest.mark.parametrize("bind", [bind_extrapolation, bind_interpolation])
@pytest.mark.parametrize("copied", [False, True], ids=["pair", "copy"])
@pytest.mark.parametrize("entry", entries("latent-line"), ids=lambda entry: entry.name)
def test_lines(entry: ModelEntry, copied: bool, bind, build) -> None:
    psf = defocus_psf(LENS, 2.0) if copied else None
    check(bind(build(entry), alpha=0.5, psf=psf), images=1 if copied else 2)


@pytest.mark.parametrize("entry", entries("disentangled"), ids=lambda entry: entry.name)
def test_codes(entry: ModelEntry, build) -> None:
    network = build(entry)
    sharper, blurrier = np.random.default_rng(1).random((2, 64, 64), dtype=np.float32)
    codes = [read_blur_code(network, plane) for plane in (sharper, blurrier)]
    check(bind_focus(network, focus_code=codes[0]), images=1)
    check(bind_blur(network, *codes, alpha=0.5), images=1)


@pytest.mark.parametrize("entry", entries("refocuser"), ids=lambda entry: entry.name)
def test_refocusers(entry: ModelEntry, build) -> None:
    """The second image of a surface is its distances, different from pixel to pixel."""
    network = build(entry)
    check(bind_distance(network, -3.0), images=1)
    check(bind_surface(network), images=2)
    distances = (1.0, -2.0, 4.0)[: network.most_planes]
    check(bind_planes(network, distances), images=1 + len(distances))
