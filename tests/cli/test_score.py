"""``focusfix score --reference``: planted errors, folders, stacks, thresholds, and traps."""

import csv
import json
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from focusfix.metrics.fidelity import psnr

SHAPE = (192, 180)
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path) -> Write:
    def save(name: str, pixels: np.ndarray, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(path, pixels, **options)
        return path

    return save


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    random = np.random.default_rng(0)
    detail = gaussian_filter(random.normal(0, 1, SHAPE), 1)
    return np.clip(1500 + 400 * detail / detail.std(), 0, 4095).astype(np.uint16)


@pytest.fixture(scope="module")
def blurry(truth) -> np.ndarray:
    return np.rint(gaussian_filter(truth.astype(float), 3)).astype(np.uint16)


@pytest.fixture
def trio(write, truth, blurry) -> tuple[Path, Path, Path]:
    """Output, truth, and input of one field; the output is wrong by 10 everywhere."""
    return (
        write("out/a.tif", truth + 10),
        write("truth/a.tif", truth),
        write("in/a.tif", blurry),
    )


def records(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def test_planted_error(run_cli, trio):
    out, reference, _ = trio
    done = run_cli(
        "score", out, "--reference", reference, "--data-range", 1000 * math.sqrt(10) + 3000
    )
    assert done.code == 0, done.err
    expected = 20 * math.log10((1000 * math.sqrt(10) + 3000) / 10)
    lines = [line.split() for line in done.out.splitlines()]
    assert ["psnr", "(dB)", f"{expected:.2f}"] in lines
    assert done.out.splitlines()[0] == f"{out} against {reference}"


def test_json_has_input_output_and_gain(run_cli, trio, truth, blurry):
    out, reference, given = trio
    done = run_cli(
        "score", out, "--reference", reference, "--input", given, "--data-range", 4095,
        "--format", "json",
    )  # fmt: skip
    [record] = records(done.out)
    scores = record["scores"]
    assert record["schema_version"] == 1
    assert (record["output"], record["input"]) == (str(out), str(given))
    before = psnr(blurry.astype(float), truth.astype(float), data_range=4095)
    assert scores["psnr_input"] == pytest.approx(before)
    assert scores["psnr"] == pytest.approx(20 * math.log10(409.5))
    assert scores["psnr_gain"] == pytest.approx(scores["psnr"] - before)
    assert scores["nrmse_gain"] > 0
    assert scores["sharpness_ratio"] == pytest.approx(1)
    assert scores["band_coherence"] == pytest.approx(1, abs=1e-6)
    assert scores["band_coherence_input"] < 0.7
    low, _ = record["planes"][0]["lost_band_per_px"]
    assert low == pytest.approx(math.sqrt(math.log(10) / 2) / (3 * math.pi), abs=0.02)


def test_affine_fit_is_an_extra(run_cli, write, trio, truth):
    _, reference, _ = trio
    half = write("half.tif", (truth // 2 + 700).astype(np.uint16))
    done = run_cli("score", half, "--reference", reference, "--affine-fit", "--format", "json")
    [record] = records(done.out)
    assert record["scores"]["psnr_affine"] > record["scores"]["psnr"] + 20
    assert record["scores"]["ssim_affine"] > 0.999
    assert "pearson_affine" not in record["scores"]


@pytest.mark.parametrize(
    ("dtype", "options", "expected"),
    [
        (np.uint8, {}, 255),
        (np.uint16, {}, 65535),
        (np.int16, {}, 32767),
    ],
)
def test_data_range_is_that_of_the_file(run_cli, write, truth, dtype, options, expected):
    pixels = (truth / truth.max() * expected).astype(dtype)
    path = write("x.tif", pixels, **options)
    done = run_cli("score", path, "--reference", path, "--format", "json")
    [record] = records(done.out)
    assert record["data_range"] == expected
    assert record["data_range_from"] == f"{np.dtype(dtype)} of x.tif"
    assert record["scores"]["psnr"] == "inf"
    assert record["scores"]["ssim"] == pytest.approx(1)


def test_declared_bits_count(run_cli, write, truth):
    path = write("x.ome.tif", truth, metadata={"axes": "YX", "SignificantBits": 12})
    done = run_cli("score", path, "--reference", path)
    assert "data range 4095 (12 bits of x.ome.tif)" in done.out
    assert done.err == ""


def test_warning_of_a_range_that_is_hardly_used(run_cli, trio):
    out, reference, _ = trio
    done = run_cli("score", out, "--reference", reference)
    assert "data range 65535 (uint16 of a.tif)" in done.out
    assert "if the camera has fewer bits than the file, give --data-range" in done.err


@pytest.mark.usefixtures("trio")
def test_warnings_come_once(run_cli, write, truth, tmp_path):
    write("out/b.tif", truth)
    write("truth/b.tif", truth)
    done = run_cli("score", tmp_path / "out", "--reference", tmp_path / "truth")
    assert done.err.count("the brightest grey value") == 1


@pytest.mark.usefixtures("trio")
def test_folders_match_by_name(run_cli, write, truth, blurry, tmp_path):
    write("out/b.tif", truth)
    write("truth/b.tiff", truth)
    write("in/b.tif", blurry)
    folders = (tmp_path / "out", "--reference", tmp_path / "truth", "--input", tmp_path / "in")
    done = run_cli("score", *folders, "--data-range", 4095)
    assert done.code == 0, done.err
    first, second = (line.split() for line in done.out.splitlines()[1:3])
    assert first[:2] == [str(tmp_path / "out" / "a.tif"), "52.25"]
    assert second[1] == "inf"
    assert "mean of 2 planes of 2 files, data range 4095; 1 infinite PSNR left out" in done.out

    done = run_cli("score", *folders, "--data-range", 4095, "--format", "json")
    *each, last = records(done.out)
    assert [record["scores"]["psnr"] for record in each] == [pytest.approx(52.245, abs=1e-3), "inf"]
    assert last["summary"]["scores"]["psnr"] == pytest.approx(52.245, abs=1e-3)
    assert last["summary"]["left_out"] == {"psnr": 1, "psnr_gain": 1}
    assert (last["summary"]["files"], last["summary"]["planes"]) == (2, 2)

    done = run_cli("score", *folders, "--data-range", 4095, "--format", "csv")
    rows = list(csv.DictReader(done.out.splitlines()))
    assert [Path(row["output"]).name for row in rows] == ["a.tif", "b.tif"]
    assert float(rows[0]["psnr"]) == pytest.approx(52.245, abs=1e-3)
    assert rows[1]["psnr"] == "inf"


@pytest.mark.usefixtures("trio")
def test_name_without_partner(run_cli, write, truth, tmp_path):
    write("out/c.tif", truth)
    done = run_cli("score", tmp_path / "out", "--reference", tmp_path / "truth")
    assert done.code == 3
    assert "does not have one image for each of c.tif (0 found)" in done.err
    assert done.out == ""


def test_stack_is_scored_plane_by_plane(run_cli, write, truth):
    """Axes in another order in the reference: planes find each other by their coordinates."""
    pixels = np.stack([truth + 10 * k for k in range(6)]).reshape(3, 2, *SHAPE)
    errors = np.arange(1, 7, dtype=np.uint16).reshape(3, 2, 1, 1)
    options = {"imagej": True, "metadata": {"axes": "ZCYX"}}
    out = write("out.tif", pixels + errors, **options)
    order = pixels.transpose(1, 0, 2, 3)
    reference = write("truth.ome.tif", order, metadata={"axes": "CZYX"})
    command = ("score", out, "--reference", reference, "--data-range", 4095)
    [record] = records(run_cli(*command, "--format", "json").out)
    assert [plane["plane"] for plane in record["planes"]] == [
        {"Z": z, "C": c} for z in range(3) for c in range(2)
    ]
    measured = [plane["scores"]["psnr"] for plane in record["planes"]]
    assert measured == pytest.approx([20 * math.log10(4095 / error) for error in range(1, 7)])
    assert record["scores"]["psnr"] == pytest.approx(np.mean(measured))
    text = run_cli(*command).out
    assert "mean of 6 planes" in text
    assert f"Z=2 C=1  {measured[-1]:.2f}" in text


def test_colours(run_cli, write, truth):
    colours = np.stack([truth // 16] * 3, axis=-1).astype(np.uint8)
    reference = write("truth.tif", colours, photometric="rgb")
    wrong = colours.copy()
    wrong[..., 0] += 3
    out = write("out.tif", wrong, photometric="rgb")
    [record] = records(run_cli("score", out, "--reference", reference, "--format", "json").out)
    assert record["scores"]["psnr"] == pytest.approx(20 * math.log10(255 / math.sqrt(3)))


def test_constant_images(run_cli, write):
    flat = write("flat.tif", np.full((40, 40), 9, np.uint8))
    [record] = records(run_cli("score", flat, "--reference", flat, "--format", "json").out)
    assert record["scores"]["psnr"] == "inf"
    assert record["scores"]["pearson"] is None
    assert record["scores"]["nrmse"] is None
    assert " -" in run_cli("score", flat, "--reference", flat).out


def test_band_of_the_user(run_cli, trio):
    out, reference, _ = trio
    command = ("score", out, "--reference", reference, "--data-range", 4095)
    [record] = records(run_cli(*command, "--format", "json").out)
    assert record["scores"]["band_coherence"] is None
    [record] = records(run_cli(*command, "--format", "json", "--band-from", 0.1).out)
    assert record["scores"]["band_coherence"] == pytest.approx(1)
    assert record["planes"][0]["lost_band_per_px"] == [0.1, 0.5]


@pytest.mark.parametrize(
    ("limit", "code", "words"),
    [
        ("psnr=52", 0, ""),
        ("psnr_gain=1.0", 0, ""),
        ("psnr=53", 8, "psnr is 52.25, less than 53"),
        ("psnr_gain=60", 8, "less than 60"),
        ("nrmse=0.1", 2, "nrmse_gain can be checked"),
        ("psnr_affine=1", 2, "it needs --affine-fit"),
        ("sharpness=1", 2, "knows no 'sharpness'"),
        ("psnr", 2, "takes NAME=VALUE"),
        ("psnr=high", 2, "takes NAME=VALUE"),
    ],
)
def test_thresholds(run_cli, trio, limit, code, words):
    out, reference, given = trio
    done = run_cli(
        "score", out, "--reference", reference, "--input", given, "--data-range", 4095,
        "--fail-under", limit,
    )  # fmt: skip
    assert done.code == code
    assert words in done.err
    assert bool(done.out) == (code != 2)


def test_gain_needs_an_input(run_cli, trio):
    done = run_cli("score", trio[0], "--reference", trio[1], "--fail-under", "psnr_gain=1")
    assert done.code == 2
    assert "a gain needs --input" in done.err


def test_measure_that_is_not_defined_fails_a_threshold(run_cli, trio):
    done = run_cli("score", *trio[:1], "--reference", trio[1], "--fail-under", "band_coherence=0.1")
    assert done.code == 8
    assert "band_coherence is not defined" in done.err


@pytest.mark.parametrize(
    ("name", "change", "options", "code", "words"),
    [
        ("shape", lambda a: a[:-1], (), 3, "191 x 180 (YX)"),
        ("planes", lambda a: np.stack([a, a]), (), 3, "2 x 192 x 180"),
        ("float", lambda a: (a / 4095).astype(np.float32), (), 2, "declare no largest value"),
        ("range", lambda a: a, ("--data-range", "1000"), 3, "outside the data range of 0 to 1000"),
        ("zero", lambda a: a, ("--data-range", "0"), 2, "--data-range must be positive"),
        ("band", lambda a: a, ("--band-from", "0.5"), 2, "--band-from must be from 0 to below"),
        (
            "gaps",
            lambda a: np.where(a > 2000, np.nan, a).astype(np.float32),
            ("--data-range", "4095"),
            3,
            "pixels that are NaN or infinite",
        ),
    ],
)
def test_references_that_do_not_fit(
    run_cli, write, trio, truth, name, change, options, code, words
):
    reference = write(f"{name}.tif", change(truth), photometric="minisblack")
    done = run_cli("score", trio[0], "--reference", reference, *options)
    assert done.code == code
    assert words in done.err
    assert done.out == ""


def test_missing_pieces(run_cli, trio, tmp_path):
    assert "No image was given" in run_cli("score").err
    done = run_cli("score", trio[0], "--reference", tmp_path / "nothing.tif")
    assert done.code == 3
    assert "nothing.tif does not exist" in done.err


def test_other_pixel_types_are_told(run_cli, write, trio, truth):
    small = write("small.tif", (truth // 16).astype(np.uint8))
    done = run_cli("score", small, "--reference", trio[1])
    assert done.code == 0
    assert "small.tif is uint8" in done.err
    assert "--affine-fit allows for another scale" in done.err


@pytest.mark.usefixtures("trio")
def test_bad_file_among_good_ones(run_cli, write, truth, tmp_path):
    write("out/b.tif", truth[:-1])
    write("truth/b.tif", truth)
    done = run_cli(
        "score", tmp_path / "out", "--reference", tmp_path / "truth", "--fail-under", "psnr=99"
    )
    assert done.code == 7
    assert "b.tif is 191 x 180 (YX)" in done.err
    assert "a.tif" in done.out
    assert "mean of 1 plane of 1 file" in done.out


def test_torch_is_not_loaded(program_environment, trio):
    script = (
        "import sys; from focusfix.__main__ import main; code = main(sys.argv[1:]);"
        "sys.exit(code or 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", script, "score", trio[0], "--reference", trio[1]]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, env=program_environment
    )
    assert done.returncode == 0, done.stderr


def test_config_file(run_cli, trio, tmp_path):
    config = tmp_path / "lab.toml"
    config.write_text('[score]\ndata-range = 4095\nformat = "json"\nfail-under = ["psnr=60"]\n')
    done = run_cli("score", trio[0], "--reference", trio[1], "--config", config)
    assert done.code == 8
    assert records(done.out)[0]["data_range"] == 4095
    shown = run_cli("score", trio[0], "--config", config, "--print-config").out
    assert 'fail-under = ["psnr=60"]  # file' in shown
