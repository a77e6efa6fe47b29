"""The images and tiles that memory and growth are measured on, and what is said of their peaks."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture
def bench(monkeypatch):
    """Import a module of the benchmarks."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module
    for path in BENCHMARKS.glob("*.py"):
        sys.modules.pop(path.stem, None)


@pytest.mark.parametrize(
    ("shape", "axes"), [((700, 700), "YX"), ((3, 600, 520), "ZYX"), ((2, 512, 512), "TYX")]
)
def test_planes_from_encoded_tiles_are_what_tifffile_reads(
    bench, tmp_path, monkeypatch, shape, axes
) -> None:
    images = bench("noisy_images")
    monkeypatch.setattr(images, "N_TILES", 4)
    path = tmp_path / "in.tif"
    images.write_noisy_planes(path, shape, axes)
    with tifffile.TiffFile(path) as file:
        assert (file.series[0].axes, file.series[0].shape) == (axes, shape)
        assert file.pages.first.tags["Predictor"].value == 2
        pixels = file.asarray()
    assert pixels.dtype == np.uint16
    assert 600 < pixels.min() < pixels.max() < 4096
    seams = np.abs(np.diff(pixels[..., :512, 500:524].astype(int), axis=-1))
    assert seams.max() < 200, "the structure goes on from tile to tile"


def test_a_single_strip_is_one(bench, tmp_path) -> None:
    images = bench("noisy_images")
    images.write_single_strip(tmp_path / "in.tif", 300)
    with tifffile.TiffFile(tmp_path / "in.tif") as file:
        assert len(file.pages.first.dataoffsets) == 1
        expected = images.noisy_pixels((300, 300), np.random.default_rng(0))
        np.testing.assert_array_equal(file.asarray(), expected)


def test_memory_is_measured_up_to_the_largest(bench) -> None:
    memory = bench("bench_memory")
    cases = list(memory.list_cases(3600, ""))
    tiled = [case.shape[0] for case in cases if case.kind == memory.TILED]
    assert tiled == [4_000, 20_000, 60_000]
    stacks = [case for case in cases if case.kind in {memory.STACK, memory.SERIES}]
    assert [round(case.megapixels / 16) for case in stacks] == [1, 225, 1, 225]
    assert {case.model for case in memory.list_cases(1, "care")} == {"", "care"}


def test_flat_memory_is_told_from_growing_memory(bench) -> None:
    memory = bench("bench_memory")
    cases = memory.list_cases(64, "")
    peaks = {memory.TILED: 100.0, memory.STACK: 200.0, memory.SERIES: 300.0, memory.STRIP: 400.0}
    measured = [memory.Measured(each, 0.1, peaks[each.kind], 1.0, 1.0) for each in cases]
    _, figures = memory.describe(measured)
    assert set(figures.values()) == {1.0, 400.0}
    measured.append(memory.Measured(measured[0].case, 0.1, 150.0, 1.0, 1.0))
    _, figures = memory.describe(measured)
    assert figures["planes in tiles: largest peak over smallest"] == 1.5


def test_tiles_are_as_large_as_memory_allows(bench, monkeypatch) -> None:
    memory = bench("bench_tile_memory")
    sides = []
    for most_bytes in (520_000_000, 580_000_000):
        monkeypatch.setattr(memory, "MOST_BYTES", most_bytes)
        cost = memory.measure_here("care-unet")
        assert cost.tensor_mb < (most_bytes - 500e6) / 1e6
        assert cost.before_mb <= cost.peak_mb
        sides.append(cost.side_px)
    assert sides[0] < sides[1]
    assert memory.TileCost(100, 200.0, 300.0, 600.0).taken == 1.5


def test_many_files_are_a_plate_that_training_knows(bench, tmp_path) -> None:
    from focusfix.data.layouts import index_data

    many = bench("bench_many_files")
    many.write_plate(tmp_path, 2)
    index = index_data(tmp_path)
    assert len(index.series) == 2 * many.CHANNELS
    assert {len(each.z_levels) for each in index.series} == {many.LEVELS}
    costs = {"cpu_seconds": [1.0, 2.0, 3.0], "peak_mib": [200.0, 210.0, 220.0, 250.0]}
    more = {**costs, "files": 1124, "peak_mib": [200.0, 211.0, 221.0, 250.0]}
    _, figures = many.describe([{**costs, "files": 100}, more])
    assert figures["KiB per file"] == 1.0
