"""``focusfix score --profile``: widths of planted beads in micrometres, and their plots."""

import csv
import json
import math

import numpy as np
import pytest
import tifffile

FWHM_OF_SIGMA = 2 * math.sqrt(2 * math.log(2))
SHAPE = (90, 100)


def bead(sigma: float, at: tuple[float, float] = (40.2, 52.7)) -> np.ndarray:
    rows, columns = np.indices(SHAPE, dtype=float)
    squares = (rows - at[0]) ** 2 + (columns - at[1]) ** 2
    plane = 200 + 3000 * np.exp(-squares / (2 * sigma**2))
    return np.rint(plane + np.random.default_rng(0).normal(0, 5, SHAPE)).astype(np.uint16)


@pytest.fixture
def write(tmp_path):
    def save(name, pixels, *, per_um=(4, 4), **metadata):
        path = tmp_path / name
        scale = {"resolution": per_um} if per_um else {}
        unit = {"unit": "um"} if per_um else {}
        tifffile.imwrite(path, pixels, imagej=True, metadata={**unit, **metadata}, **scale)
        return path

    return save


@pytest.fixture
def trio(write):
    return write("out.tif", bead(3.0)), write("truth.tif", bead(2.0)), write("in.tif", bead(5.0))


def test_widths_of_image_input_and_reference(run_cli, trio, tmp_path):
    out, reference, given = trio
    plot = tmp_path / "bead.svg"
    command = ("score", out, "--reference", reference, "--input", given, "--data-range", 4095)
    command = (*command, "--profile", "42,50", "--profile-plot", plot)
    record = json.loads(run_cli(*command, "--format", "json").out)
    profile = record["planes"][0]["profile"]
    assert record["profile_at"] == "42,50"
    for direction in ("y", "x"):
        for role, sigma in (("output", 3.0), ("input", 5.0), ("reference", 2.0)):
            expected = sigma * FWHM_OF_SIGMA
            assert profile["fwhm_px"][direction][role] == pytest.approx(expected, rel=0.02)
            assert profile["fwhm_um"][direction][role] == pytest.approx(expected / 4, rel=0.02)
    text = plot.read_text()
    assert text.startswith("<?xml")
    assert "FWHM" in run_cli(*command).out
    rows = list(csv.DictReader(run_cli(*command, "--format", "csv").out.splitlines()))
    assert float(rows[0]["fwhm_x_um"]) == pytest.approx(3 * FWHM_OF_SIGMA / 4, rel=0.02)
    assert float(rows[0]["fwhm_y_px_reference"]) == pytest.approx(2 * FWHM_OF_SIGMA, rel=0.02)


def test_line_across_pixels_that_are_not_square(run_cli, write):
    path = write("a.tif", bead(2.0), per_um=(2, 4))  # 0.5 um wide, 0.25 um high
    for place, um in (("40.2,20:40.2,85", 0.5), ("10,52.7:75,52.7", 0.25)):
        record = json.loads(run_cli("score", path, "--profile", place, "--format", "json").out)
        width = record["planes"][0]["profile"]["fwhm_um"]["line"]["image"]
        assert width == pytest.approx(2 * FWHM_OF_SIGMA * um, rel=0.02)


def test_planes_of_a_stack(run_cli, write, tmp_path):
    """The bead vanishes in the last plane; the plot shows the plane where it is the brightest."""
    planes = [bead(4.0), bead(2.0) + 1000, np.full(SHAPE, 300, np.uint16)]
    path = write("z.tif", np.stack(planes), axes="ZYX")
    plot = tmp_path / "z.png"
    command = ("score", path, "--profile", "40,53", "--profile-plot", plot)
    record = json.loads(run_cli(*command, "--format", "json").out)
    widths = [plane["profile"]["fwhm_um"]["x"]["image"] for plane in record["planes"]]
    assert widths[:2] == pytest.approx([FWHM_OF_SIGMA, FWHM_OF_SIGMA / 2], rel=0.02)
    assert widths[2] is None
    assert plot.read_bytes().startswith(b"\x89PNG")
    lines = [line.split() for line in run_cli(*command).out.splitlines()]
    assert ["z.tif", "Z=2", "x", "-"] in lines


def test_pixel_size_of_the_user_and_none(run_cli, write):
    path = write("a.tif", bead(2.0), per_um=None)
    assert "FWHM (px) at 40,53" in run_cli("score", path, "--profile", "40,53").out
    command = ("score", path, "--reference", path, "--data-range", 4095, "--profile", "40,53")
    done = run_cli(*command, "--pixel-size-um", 0.5, "--format", "json")
    profile = json.loads(done.out)["planes"][0]["profile"]
    assert profile["fwhm_um"]["x"]["output"] == pytest.approx(FWHM_OF_SIGMA, rel=0.02)


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--profile", "10,10"), 3, "no width can be told at --profile 10,10"),
        (("--profile", "40,100"), 3, "is 90 x 100 pixels (Y, X)"),
        (("--profile", "40"), 2, "takes a point or a line, not '40'"),
        (("--profile", "40,nan"), 2, "takes a point or a line"),
        (("--profile", "1,2:1,2"), 2, "takes a point or a line"),
        (("--profile-plot", "a.svg"), 2, "--profile-plot needs a place"),
        (("--profile", "40,53", "--profile-plot", "a.gif"), 2, "writes .svg, .png, .pdf"),
        (("--profile", "40,53", "--profile-plot", "gone/a.svg"), 6, "gone does not exist"),
    ],
)
def test_places_that_cannot_be(run_cli, write, monkeypatch, tmp_path, options, code, words):
    monkeypatch.chdir(tmp_path)
    done = run_cli("score", write("a.tif", bead(2.0)), *options)
    assert done.code == code
    assert words in done.err
