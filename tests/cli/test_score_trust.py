"""``focusfix score --trust-map``: expected against true errors that were planted."""

import csv
import json
import math

import numpy as np
import pytest
import tifffile

from focusfix.metrics.expected_error import compare_expected_error

SHAPE = (64, 80)


@pytest.fixture(scope="module")
def planes() -> dict[str, np.ndarray]:
    """Errors of some tens of grey values, larger to the right, and maps that know or do not."""
    random = np.random.default_rng(0)
    size = np.geomspace(5, 200, SHAPE[1]) * np.ones(SHAPE)
    truth = random.integers(1000, 3000, SHAPE).astype(np.uint16)
    errors = np.rint(random.exponential(size)) * random.choice([-1, 1], SHAPE)
    return {
        "truth": truth,
        "out": np.clip(truth + errors, 0, 4095).astype(np.uint16),
        "known": size.astype(np.float32),
        "turned": size[:, ::-1].astype(np.float32),
        "flat": np.full(SHAPE, 60, np.float32),
    }


@pytest.fixture
def files(tmp_path, planes):
    for name, pixels in planes.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", pixels)
    return tmp_path


def command(files, name, *options):
    return (
        "score", files / "out.tif", "--reference", files / "truth.tif", "--data-range", 4095,
        "--trust-map", files / f"{name}.tif", *options,
    )  # fmt: skip


def test_a_map_that_knows_correlates(run_cli, files, planes):
    record = json.loads(run_cli(*command(files, "known", "--format", "json")).out)
    assert record["trust_map"] == str(files / "known.tif")
    trust = record["planes"][0]["trust"]
    errors = np.abs(planes["out"].astype(float) - planes["truth"])
    assert trust["actual"] == pytest.approx(errors.mean())
    assert trust["expected"] == pytest.approx(planes["known"].mean())
    assert trust["correlation"] > 0.95
    turned = json.loads(run_cli(*command(files, "turned", "--format", "json")).out)
    assert turned["planes"][0]["trust"]["correlation"] < -0.95
    flat = json.loads(run_cli(*command(files, "flat", "--format", "json")).out)
    assert flat["planes"][0]["trust"]["correlation"] is None


def test_table_and_csv(run_cli, files):
    lines = run_cli(*command(files, "known")).out.splitlines()
    assert lines[-2].split()[:2] == ["trust", "map"]
    assert lines[-1].split()[0] == str(files / "out.tif")
    [row] = csv.DictReader(run_cli(*command(files, "known", "--format", "csv")).out.splitlines())
    assert float(row["trust_correlation"]) > 0.95
    assert float(row["trust_actual"]) > 0


def test_report_shows_expected_beside_true_errors(run_cli, files):
    done = run_cli(*command(files, "known", "--format", "html"))
    assert "expected error" in done.out
    assert "true error" in done.out


def test_maps_of_other_shapes(run_cli, files):
    tifffile.imwrite(files / "small.tif", np.ones((64, 79), np.float32))
    done = run_cli(*command(files, "small"))
    assert done.code == 3
    assert "64 x 79" in done.err
    done = run_cli("score", files / "out.tif", "--trust-map", files / "known.tif")
    assert done.code == 2
    assert "--trust-map needs a reference" in done.err


def test_planes_too_small_for_a_correlation():
    ones = np.ones((9, 30, 1))
    found = compare_expected_error(ones, 3 * ones, ones)
    assert (found.expected, found.actual) == (1.0, 2.0)
    assert math.isnan(found.correlation)
    with pytest.raises(ValueError, match="shapes differ"):
        compare_expected_error(ones, ones, ones[:8])
