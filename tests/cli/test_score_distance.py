"""``focusfix score`` with a manifest beside the images: the distance from focus as a column."""

import csv
import json
import math

import numpy as np
import pytest
import tifffile

SHAPE = (64, 60)
ERRORS = {4.0: 10, -8.0: 40}


@pytest.fixture(scope="module")
def truth() -> np.ndarray:
    return np.random.default_rng(0).integers(1000, 3000, SHAPE).astype(np.uint16)


@pytest.fixture
def series(tmp_path, truth):
    """Two fields at two planted distances, with planted errors, listed as synthesize-blur does."""
    rows = []
    for folder in ("sharp", "series", "fixed"):
        (tmp_path / folder).mkdir()
    for field in ("a", "b.v2"):
        tifffile.imwrite(tmp_path / "sharp" / f"{field}.tif", truth)
        rows.append((f"../sharp/{field}.tif", field, 0, 1, 0.0))
        for z_index, (dz_um, error) in enumerate(ERRORS.items(), 2):
            name = f"{field}_dz{dz_um:+.1f}um.tif"
            rows.append((name, field, 0, z_index, dz_um))
            tifffile.imwrite(tmp_path / "series" / name, truth + np.uint16(2 * error))
            tifffile.imwrite(tmp_path / "fixed" / name, truth + np.uint16(error))
    write_manifest(tmp_path / "series", ("path", "field", "channel", "z_index", "z_um"), rows)
    return tmp_path


def write_manifest(folder, titles, rows):
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([titles, *rows])


def decibels(error: float) -> float:
    return 20 * math.log10(4095 / error)


def test_means_at_each_distance(run_cli, series):
    command = ("score", series / "fixed", "--reference", series / "sharp", "--data-range", 4095)
    command = (*command, "--input", series / "series")
    done = run_cli(*command, "--format", "json")
    *each, last = [json.loads(line) for line in done.out.splitlines()]
    assert [record["planes"][0]["dz_um"] for record in each] == [4, -8, 4, -8]
    assert [record["reference"].rpartition("/")[2] for record in each[::2]] == ["a.tif", "b.v2.tif"]
    at = last["summary"]["by_distance"]
    assert [(group["dz_um"], group["planes"]) for group in at] == [(-8, 2), (4, 2)]
    assert at[0]["scores"]["psnr"] == pytest.approx(decibels(40))
    assert at[1]["scores"]["psnr"] == pytest.approx(decibels(10))
    assert at[1]["scores"]["psnr_gain"] == pytest.approx(20 * math.log10(2))
    assert "counted from z_um = 0" in done.err
    lines = run_cli(*command).out.splitlines()
    assert lines[-3].split()[:4] == ["dz", "(um)", "planes", "psnr"]
    assert lines[-2].split()[:4] == ["-8", "2", f"{decibels(40):.2f}", "(+6.02)"]
    rows = list(csv.DictReader(run_cli(*command, "--format", "csv").out.splitlines()))
    assert [float(row["dz_um"]) for row in rows] == [4, -8, 4, -8]


def test_distance_is_known_without_the_input(run_cli, series):
    done = run_cli(
        "score", series / "series", "--reference", series / "sharp", "--data-range", 4095,
        "--pattern", "a*.tif", "--format", "json",
    )  # fmt: skip
    *_, last = [json.loads(line) for line in done.out.splitlines()]
    assert [group["dz_um"] for group in last["summary"]["by_distance"]] == [-8, 4]


def test_planes_of_a_stack_are_counted_from_the_focal_level(run_cli, tmp_path, truth):
    stack = np.stack([truth + np.uint16(k) for k in (1, 2, 3)])
    for name, pixels in (("z.tif", stack), ("truth.tif", np.stack([truth] * 3))):
        tifffile.imwrite(tmp_path / name, pixels, imagej=True, metadata={"axes": "ZYX"})
    rows = [("z.tif", "f", k, 10 + 2.5 * k, k, 1) for k in range(3)]
    write_manifest(tmp_path, ("path", "field", "z_index", "z_um", "plane", "focal_level"), rows)
    done = run_cli(
        "score", tmp_path / "z.tif", "--reference", tmp_path / "truth.tif", "--data-range", 4095,
        "--format", "json",
    )  # fmt: skip
    record = json.loads(done.out)
    assert [plane["dz_um"] for plane in record["planes"]] == [-2.5, 0, 2.5]
    measured = [group["scores"]["psnr"] for group in record["by_distance"]]
    assert measured == pytest.approx([decibels(error) for error in (1, 2, 3)])
    assert "counted from the focal_level" in done.err


def test_names_that_mean_several_distances_mean_none(run_cli, tmp_path, truth):
    """Folders of planes hold the same names: only the file itself tells the distance."""
    for folder in ("z_00", "z_01", "fixed"):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(tmp_path / folder / "a.tif", truth)
    rows = [("z_00/a.tif", "a", 0, -2), ("z_01/a.tif", "a", 1, 0)]
    write_manifest(tmp_path, ("path", "field", "z_index", "z_um"), rows)
    command = ("score", tmp_path / "fixed" / "a.tif", "--reference", tmp_path / "z_01" / "a.tif")
    [line] = run_cli(*command, "--format", "json").out.splitlines()
    assert json.loads(line)["planes"][0]["dz_um"] is None
    assert json.loads(line)["by_distance"] == []
    given = ("--input", tmp_path / "z_00" / "a.tif")
    [line] = run_cli(*command, *given, "--format", "json").out.splitlines()
    assert json.loads(line)["planes"][0]["dz_um"] == -2


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("well,dose\nA1,3\n", "has no column path"),
        ("path,field,z_index\ngone.tif,f,0\n", "gone.tif"),
    ],
)
def test_other_manifests_are_no_obstacle(run_cli, tmp_path, truth, text, words):
    tifffile.imwrite(tmp_path / "a.tif", truth)
    (tmp_path / "manifest.csv").write_text(text)
    done = run_cli("score", tmp_path / "a.tif", "--reference", tmp_path / "a.tif")
    assert done.code == 0
    assert "distances from focus are not known" in done.err
    assert words in done.err
