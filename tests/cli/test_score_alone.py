"""``focusfix score`` without a reference: what was planted must be found."""

import csv
import json

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from focusfix.metrics.resolution import pair_resolution, single_resolution

SHAPE = (128, 140)


@pytest.fixture(scope="module")
def field() -> np.ndarray:
    detail = gaussian_filter(np.random.default_rng(0).normal(0, 1, SHAPE), 2, mode="wrap")
    return 2000 + 300 * detail / detail.std()


def record_twice(field: np.ndarray, noise: float) -> list[np.ndarray]:
    random = np.random.default_rng(1)
    noisy = [field + random.normal(0, noise, field.shape) for _ in range(2)]
    return [np.clip(np.rint(each), 0, 65535).astype(np.uint16) for each in noisy]


@pytest.fixture
def write(tmp_path):
    def save(name, pixels, **options):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        scale = {"imagej": True, "resolution": (4, 4)}
        metadata = {"unit": "um", **options}
        tifffile.imwrite(path, pixels, metadata=metadata, **scale)
        return path

    return save


def scores(done) -> list[dict]:
    assert done.code == 0, done.err
    return [json.loads(line) for line in done.out.splitlines()]


def test_one_image(run_cli, write, field):
    pixels = record_twice(field, 30)[0]
    pixels[:2, :70] = 65535
    pixels[5, :35] = 0
    [record] = scores(run_cli("score", write("a.tif", pixels), "--format", "json"))
    [plane] = record["planes"]
    assert (record["schema_version"], record["pixel_size_um"]) == (1, 0.25)
    assert plane["resolution_px"] == pytest.approx(single_resolution(pixels.astype(float)))
    assert plane["resolution_um"] == pytest.approx(0.25 * plane["resolution_px"])
    assert plane["noise"] == pytest.approx(30, rel=0.1)
    assert plane["clipped_high"] == pytest.approx(140 / pixels.size)
    assert plane["clipped_low"] == pytest.approx(35 / pixels.size)
    assert record["sharpest_planes"] == []


def test_two_recordings(run_cli, write, field):
    first, second = record_twice(field, 30)
    a, b = write("a.tif", first), write("b.tif", second)
    options = ("--format", "json", "--pixel-size-um", 0.5)
    [record] = scores(run_cli("score", a, "--repeat", b, *options))
    [plane] = record["planes"]
    period = pair_resolution(first.astype(float), second.astype(float))
    assert plane["resolution_um"] == pytest.approx(0.5 * period)
    [other] = scores(run_cli("score", a, *options))[0]["planes"]
    assert other["resolution_um"] == pytest.approx(plane["resolution_um"], rel=0.15)


def test_recordings_match_by_name(run_cli, write, field, tmp_path):
    first, second = record_twice(field, 30)
    write("once/a.tif", first)
    write("again/a.tif", second)
    command = ("score", tmp_path / "once", "--repeat", tmp_path / "again")
    [record] = scores(run_cli(*command, "--format", "json"))
    assert record["repeat"] == str(tmp_path / "again" / "a.tif")
    write("once/b.tif", first)
    done = run_cli(*command)
    assert done.code == 3
    assert "b.tif (0 found)" in done.err


def test_sharpest_plane_of_each_channel(run_cli, write, field):
    """Out of focus both ways from planted levels, with another gain in each channel."""
    levels = {0: 1, 1: 3}
    pixels = np.empty((5, 2, *SHAPE), np.uint16)
    for z in range(5):
        for channel, focal in levels.items():
            blurred = gaussian_filter(field, 1.5 * abs(z - focal), mode="wrap")
            pixels[z, channel] = record_twice(blurred / (1 + channel), 5)[0]
    path = write("z.tif", pixels, axes="ZCYX")
    [record] = scores(run_cli("score", path, "--format", "json"))
    assert record["sharpest_planes"] == [{"Z": 1, "C": 0}, {"Z": 3, "C": 1}]
    lines = run_cli("score", path).out.splitlines()
    assert [line.split()[:2] for line in lines if line.endswith("sharpest")] == [
        ["Z=1", "C=0"],
        ["Z=3", "C=1"],
    ]
    rows = list(csv.DictReader(run_cli("score", path, "--format", "csv").out.splitlines()))
    assert [row["plane"] for row in rows if row["sharpest"] == "True"] == ["Z=1 C=0", "Z=3 C=1"]


def test_limits_are_shown_as_such(run_cli, write, field):
    smooth = write("smooth.tif", np.rint(20 * field).astype(np.uint16))
    assert "<= 1.000" in run_cli("score", smooth).out
    [record] = scores(run_cli("score", smooth, "--format", "json"))
    assert record["planes"][0]["resolution_at_limit"] is True


@pytest.mark.parametrize("shape", [(1, 50), (5, 50), (40, 50)])
def test_small_and_constant_images(run_cli, write, shape):
    done = run_cli("score", write("small.tif", np.full(shape, 7, np.uint8)), "--format", "json")
    [plane] = scores(done)[0]["planes"]
    assert plane["resolution_px"] is None
    assert plane["sharpness"] == (None if shape[0] < 8 else 0)
    assert plane["noise"] == (None if shape[0] < 3 else 0)


def test_no_pixel_size_and_no_range(run_cli, tmp_path, field):
    path = tmp_path / "float.tif"
    tifffile.imwrite(path, (field / 4000).astype(np.float32))
    [record] = scores(run_cli("score", path, "--format", "json"))
    assert record["pixel_size_um"] is None
    assert record["planes"][0]["resolution_um"] is None
    assert record["planes"][0]["clipped_high"] is None
    [record] = scores(run_cli("score", path, "--format", "json", "--data-range", 0.5))
    assert record["planes"][0]["clipped_high"] == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--fail-under", "sharpness=0.001"), 0, ""),
        (("--fail-under", "sharpness=0.4"), 8, "less than 0.4"),
        (("--fail-under", "resolution_um=1"), 2, "less of it is better"),
        (("--fail-under", "psnr=1"), 2, "knows no 'psnr'"),
        (("--input", "in.tif"), 2, "--input needs a reference"),
        (("--affine-fit",), 2, "--affine-fit needs a reference"),
        (("--band-from", "0.1"), 2, "--band-from needs a reference"),
        (("--pixel-size-um", "0"), 2, "--pixel-size-um must be positive"),
        (("--reference", "a.tif", "--repeat", "a.tif"), 2, "--repeat is about images on their own"),
    ],
)
def test_options(run_cli, write, field, monkeypatch, tmp_path, options, code, words):
    monkeypatch.chdir(tmp_path)
    write("a.tif", record_twice(field, 30)[0])
    done = run_cli("score", "a.tif", *options)
    assert done.code == code
    assert words in done.err
