"""``focusfix score`` on images that invite wrong numbers: a correct result or a clear error."""

import json
import math

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

SHAPE = (60, 64)


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    detail = gaussian_filter(np.random.default_rng(0).normal(0, 1, SHAPE), 1)
    return np.rint(1500 + 300 * detail / detail.std()).astype(np.uint16)


@pytest.fixture
def write(tmp_path):
    def save(name, pixels, **options):
        tifffile.imwrite(tmp_path / name, pixels, **options)
        return tmp_path / name

    return save


@pytest.fixture
def scores_of(run_cli):
    def score(image, reference, *options):
        done = run_cli("score", image, "--reference", reference, "--format", "json", *options)
        assert done.code == 0, done.err
        return json.loads(done.out)["scores"]

    return score


def test_twelve_bits_in_sixteen_are_24_db_too_good_unless_told(scores_of, write, truth):
    out, reference = write("out.tif", truth + np.uint16(7)), write("truth.tif", truth)
    guessed = scores_of(out, reference)["psnr"]
    told = scores_of(out, reference, "--data-range", 4095)["psnr"]
    assert told == pytest.approx(20 * math.log10(4095 / 7))
    assert guessed - told == pytest.approx(20 * math.log10(65535 / 4095))


def test_a_hot_pixel_does_not_change_the_range(scores_of, write, truth):
    """Scores of two files differ by the one pixel only, not by their largest values."""
    hot = truth.copy()
    hot[3, 4] = 60_000
    same = write("truth.tif", hot)
    out = write("out.tif", np.where(hot == 60_000, hot, hot + 7).astype(np.uint16))
    expected = 20 * math.log10(65535 / (7 * math.sqrt(1 - 1 / truth.size)))
    assert scores_of(out, same)["psnr"] == pytest.approx(expected)


def test_an_input_that_is_the_truth_cannot_be_beaten(run_cli, write, truth):
    out, reference = write("out.tif", truth + np.uint16(7)), write("truth.tif", truth)
    command = ("score", out, "--reference", reference, "--input", reference, "--data-range", 4095)
    scores = json.loads(run_cli(*command, "--format", "json").out)["scores"]
    assert (scores["psnr_input"], scores["psnr_gain"]) == ("inf", "-inf")
    assert scores["ssim_gain"] < 0
    assert run_cli(*command, "--fail-under", "psnr_gain=0").code == 8


@pytest.mark.parametrize(("value", "other"), [(0, 50), (900, 950), (65535, 65485)])
def test_constant_images_of_other_values(scores_of, write, value, other):
    out = write("out.tif", np.full(SHAPE, other, np.uint16))
    reference = write("truth.tif", np.full(SHAPE, value, np.uint16))
    scores = scores_of(out, reference, "--input", reference, "--affine-fit")
    assert scores["psnr"] == pytest.approx(20 * math.log10(65535 / 50))
    assert scores["psnr_affine"] == "inf"
    undefined = ("nrmse", "pearson", "sharpness_ratio", "band_coherence")
    assert [scores[name] for name in undefined] == [None] * 4


def test_a_constant_output_of_a_field_with_contrast(scores_of, write, truth):
    mean = float(truth.astype(float).mean())
    out = write("out.tif", np.full(SHAPE, round(mean), np.uint16))
    scores = scores_of(out, write("truth.tif", truth), "--data-range", 4095)
    assert scores["nrmse"] == pytest.approx(1, abs=1e-4)
    assert scores["pearson"] is None
    assert scores["sharpness_ratio"] == 0


def test_alpha_does_not_count(scores_of, write, truth):
    colours = np.stack([truth // 16] * 3 + [np.full(SHAPE, 255)], axis=-1).astype(np.uint8)
    other = colours.copy()
    other[..., 3] = 3
    options = {"photometric": "rgb", "extrasamples": ["unassalpha"]}
    out, reference = write("out.tif", other, **options), write("truth.tif", colours, **options)
    assert scores_of(out, reference)["psnr"] == "inf"


def test_grey_is_not_compared_with_colours(run_cli, write, truth):
    grey = write("grey.tif", (truth // 16).astype(np.uint8))
    colours = np.stack([truth // 16] * 3, axis=-1).astype(np.uint8)
    rgb = write("rgb.tif", colours, photometric="rgb")
    done = run_cli("score", grey, "--reference", rgb)
    assert done.code == 3
    assert "60 x 64 x 3 (YXS)" in done.err


def test_turned_images_are_refused(run_cli, write, truth):
    done = run_cli(
        "score", write("out.tif", truth.T.copy()), "--reference", write("truth.tif", truth)
    )
    assert done.code == 3
    assert "64 x 60 (YX)" in done.err


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("role", ["out", "truth", "in"])
def test_pixels_that_are_no_numbers(run_cli, write, truth, role, value):
    """Three of them, in any of the images; the message says where they are."""
    paths = {}
    for name in ("out", "truth", "in"):
        pixels = truth.astype(np.float32)
        if name == role:
            pixels[5, 6:9] = value
        paths[name] = write(f"{name}.tif", pixels)
    done = run_cli(
        "score", paths["out"], "--reference", paths["truth"], "--input", paths["in"],
        "--data-range", 4095,
    )  # fmt: skip
    assert done.code == 3
    assert f"{paths[role]} holds 3 pixels that are NaN or infinite" in done.err
    assert done.out == ""
    assert run_cli("score", paths[role]).code == 3


def test_negative_values_of_a_reference(run_cli, write, truth):
    signed = truth.astype(np.int16) - 1500
    done = run_cli("score", write("out.tif", signed), "--reference", write("truth.tif", signed))
    assert done.code == 3
    assert "outside the data range of 0 to 32767" in done.err


def test_unit_range_and_full_range_give_one_score(scores_of, write, truth):
    """The same images as 12-bit integers and as fractions of the range."""
    blurry = np.rint(gaussian_filter(truth.astype(float), 2)).astype(np.uint16)
    integers = write("a.tif", blurry), write("b.tif", truth)
    fractions = (
        write(f"{name}f.tif", (pixels / 4095).astype(np.float32))
        for name, pixels in (("a", blurry), ("b", truth))
    )
    first = scores_of(*integers, "--data-range", 4095, "--band-from", 0.1)
    second = scores_of(*fractions, "--data-range", 1, "--band-from", 0.1)
    known = {name: value for name, value in first.items() if value is not None}
    assert len(known) == 6
    assert {name: second[name] for name in known} == pytest.approx(known, rel=1e-4)
