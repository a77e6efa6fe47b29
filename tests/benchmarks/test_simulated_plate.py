"""The simulated plate has the layout of BBBC006, and no image is in two of its splits."""

import csv
import os
import subprocess
import sys
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import tifffile

from focusfix.data.layouts import index_data
from focusfix.data.sharp_images import split_of

COMMAND = Path(__file__).parents[2] / "benchmarks" / "simulate_bbbc006.py"
OTHERS = {
    "bpae_actin.tif": 1,
    "bpae_mitochondria.tif": 1,
    "neubias_cell_dna_mts_actin.tif": 3,
    "neubias_dapi_tublin.tif": 2,
    "neubias_membranes_nuclei_big.tif": 2,
    "neubias_hela_cells.tif": 3,
    "neubias_tub_h2b_cecog_battery.tif": 2,
    "neubias_rat_hippocampal_neuron.tif": 1,
    "neuron_4ch.tif": 4,
}


def names_in(split: str, number: int) -> list[str]:
    found = (f"{i}.png" for i in count() if split_of(Path(f"{i}.png")) == split)
    return [next(found) for _ in range(number)]


@pytest.fixture(scope="module")
def plate(tmp_path_factory) -> Path:
    from skimage.io import imsave

    data, output = tmp_path_factory.mktemp("images"), tmp_path_factory.mktemp("plate") / "out"
    rng = np.random.default_rng(0)
    (data / "sharp" / "fluorescence").mkdir(parents=True)
    (data / "sharp" / "other").mkdir()
    for name in [*names_in("train", 3), *names_in("test", 2)]:
        blocks = np.kron(rng.integers(0, 255, (65, 87)), np.ones((8, 8))).astype(np.uint8)
        imsave(data / "sharp" / "fluorescence" / name, blocks, check_contrast=False)
    for name, planes in OTHERS.items():
        pixels = rng.integers(0, 4000, (planes, 60, 80)).astype(np.uint16)
        axes = {"axes": "CYX"} if planes > 1 else {"axes": "YX"}
        pixels = pixels if planes > 1 else pixels[0]
        path = data / "sharp" / "other" / name
        tifffile.imwrite(path, pixels, photometric="minisblack", metadata=axes)
    counts = ["--train", "2", "--validation", "1", "--test", "2", "--level-step", "8"]
    command = [sys.executable, COMMAND, "--data", data, "-o", output, *counts]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run(list(map(str, command)), check=True, env=environment, capture_output=True)
    return output


def test_reads_like_bbbc006_without_its_list(plate, tmp_path) -> None:
    bare = tmp_path / "plate"
    bare.mkdir()
    for folder in plate.glob("*_z_*"):
        (bare / folder.name).symlink_to(folder)
    found = index_data(bare)
    assert found.layout == "plane folders"
    assert {each.focal_level for each in found.series} == {16}
    assert {each.channel for each in found.series} == {"w1", "w2"}
    assert {each.well for each in found.series} == {"a01", "a02", "a03"}
    assert {each.z_levels for each in found.series} == {(0, 8, 16)}
    assert {round(each.pixel_size_um or 0, 6) for each in found.series} == {0.65}


def test_list_declares_splits_and_heights(plate) -> None:
    found = index_data(plate)
    assert found.layout == "manifest"
    assert found.notes == ()
    splits = {each.field: each.split for each in found.series}
    assert sorted(splits.values()) == ["test", "test", "train", "train", "validation"]
    assert {each.z_um for each in found.series} == {(-32.0, -16.0, 0.0)}
    wells = {(each.well, each.split) for each in found.series}
    assert len(wells) == len({well for well, _ in wells})


def test_no_source_is_in_two_splits(plate) -> None:
    with (plate / "sources.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    splits: dict[str, set[str]] = {}
    for row in rows:
        splits.setdefault(row["source"].partition(":")[0], set()).add(row["split"])
    assert all(len(found) == 1 for found in splits.values())
    shown = [row for row in rows if row["split"] == "test" and row["channel"] == "w1"]
    assert {split_of(Path(row["source"])) for row in shown} == {"test"}


def test_planes_are_those_of_a_12_bit_camera(plate) -> None:
    deviation = {}
    for level in (0, 16):
        (path, *_) = sorted((plate / f"BBBC006_simulated_z_{level:02d}").glob("*a01_s1_w1*"))
        with tifffile.TiffFile(path) as file:
            assert file.pages[0].compression.name == "LZW"
            pixels = file.asarray()
        assert pixels.dtype == np.uint16
        assert pixels.shape == (520, 696)
        assert 80 < pixels.min() < pixels.max() <= 4095
        deviation[level] = pixels.std()
    assert deviation[0] < 0.5 * deviation[16]
