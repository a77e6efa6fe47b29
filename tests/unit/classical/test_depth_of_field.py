import numpy as np
import pytest

from focusfix.blocks import assemble_blocks
from focusfix.classical.depth_of_field import DepthFusion
from focusfix.data.screening import SCREENING_CAMERA, SCREENING_OPTICS
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import ArraySource
from focusfix.engine.stream import restore
from focusfix.engine.tiles import plan_tiles
from focusfix.metrics.fidelity import psnr
from focusfix.optics import defocus_psf, expose_camera, image_plane

HEIGHTS_UM = (-6.0, 0.0, 6.0)


@pytest.fixture
def terraces(field: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A field in three terraces of different height, plane by plane, and in focus everywhere."""
    generator = np.random.default_rng(0)
    terrace = np.minimum(np.arange(field.shape[1]) * 3 // field.shape[1], 2)
    planes = []
    for focus_um in HEIGHTS_UM:
        light = sum(
            image_plane(field * (terrace == i), defocus_psf(SCREENING_OPTICS, height - focus_um))
            for i, height in enumerate(HEIGHTS_UM)
        )
        planes.append(expose_camera(900 * light, SCREENING_CAMERA, generator))
    truth = 900 * image_plane(field, defocus_psf(SCREENING_OPTICS, 0.0)) + SCREENING_CAMERA.offset
    return np.stack(planes), truth


def test_every_terrace_is_in_focus(terraces: tuple[np.ndarray, np.ndarray]) -> None:
    planes, truth = terraces
    fused = DepthFusion()(planes[None].astype(np.float32))[0, 0]
    single = max(psnr(plane, truth, data_range=4095) for plane in planes)
    brightest = psnr(planes.max(axis=0), truth, data_range=4095)
    assert psnr(fused, truth, data_range=4095) > max(single, brightest) + 4


def test_planes_in_any_order_give_the_same(terraces: tuple[np.ndarray, np.ndarray]) -> None:
    tiles = terraces[0][None].astype(np.float32)
    np.testing.assert_allclose(DepthFusion()(tiles[:, ::-1]), DepthFusion()(tiles), rtol=1e-5)


def test_shows_nothing_that_no_plane_shows(terraces: tuple[np.ndarray, np.ndarray]) -> None:
    planes = terraces[0].astype(np.float32)
    fused = DepthFusion()(planes[None])[0, 0]
    assert (fused >= planes.min(axis=0) - 1e-2).all()
    assert (fused <= planes.max(axis=0) + 1e-2).all()


def test_planes_without_detail_are_averaged() -> None:
    tiles = np.stack([np.full((40, 40), value, np.float32) for value in (0.1, 0.5)])[None]
    np.testing.assert_allclose(DepthFusion()(tiles), 0.3, rtol=1e-6)


def test_structures_decide_for_the_ground_around_them() -> None:
    """A disc in focus, and out of focus as a haze that reaches far beyond it."""
    generator = np.random.default_rng(0)
    radius = np.hypot(*(np.mgrid[:120, :120] - 59.5))
    sharp = np.where(radius < 15, 1 + generator.random((120, 120)), 0.1)
    haze = 0.1 + np.exp(-((radius / 30) ** 2))
    fused = DepthFusion()(np.stack([sharp, haze])[None].astype(np.float32))[0, 0]
    ring = (radius > 22) & (radius < 40)
    np.testing.assert_allclose(fused[ring], 0.1, atol=0.02)


def test_colours_choose_together() -> None:
    """Detail in one colour decides for all colours of the pixel."""
    generator = np.random.default_rng(0)
    sharp, flat = generator.random((64, 64), dtype=np.float32), np.full((64, 64), 0.5, np.float32)
    red, green = np.stack([flat, sharp]), np.stack([flat + 0.1, flat + 0.3])
    fused = DepthFusion(samples=2)(np.stack([red, green]))
    np.testing.assert_allclose(fused[0, 0], sharp, atol=1e-3)
    np.testing.assert_allclose(fused[1, 0], 0.8, atol=1e-3)


def test_tiles_equal_the_whole(terraces: tuple[np.ndarray, np.ndarray]) -> None:
    planes = terraces[0].astype(np.uint16)[..., None]
    first, *others = (ArraySource(plane[None]) for plane in planes)
    scale = IntensityScale(offset=100.0, gain=1 / 900)
    results = []
    for tile_px in (1024, 200):
        plan = plan_tiles(planes.shape[1:3], DepthFusion().footprint, tile_px=tile_px)
        blocks = restore(first, DepthFusion(), plan, [scale], companions=others)
        results.append(assemble_blocks(blocks, first.shape_yx).astype(int))
    assert np.abs(results[0] - results[1]).max() <= 1
    assert np.mean(results[0] != results[1]) < 1e-3


def test_reach_is_exact() -> None:
    function = DepthFusion(window_px=2.0)
    tiles = np.random.default_rng(0).random((1, 3, 101, 101))
    changed = tiles.copy()
    changed[0, 0, 50, 50] += 100
    difference = np.abs(function(changed) - function(tiles))[0, 0, 50]
    touched = np.flatnonzero(difference)
    reach = function.footprint.reach_px
    assert reach == 36
    assert touched[0] >= 50 - reach
    assert 50 + reach - 3 <= touched[-1] <= 50 + reach


@pytest.mark.parametrize(
    "wrong", [{"window_px": 0.0}, {"selectivity": -1.0}, {"samples": 0}], ids=str
)
def test_refuses_numbers_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        DepthFusion(**wrong)
