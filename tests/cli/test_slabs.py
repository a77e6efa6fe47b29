"""One OME-Zarr image restored in slabs, in any order, is the one that is restored as a whole."""

import pickle
import random
from pathlib import Path

import numpy as np
import pytest
import tifffile

from focusfix.cli.alphas import AlphaJob
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.deblurring import plan_deblur
from focusfix.cli.slabs import divide, finish_division, restore_slabs

pytest.importorskip("zarr", reason="the extra zarr is not installed")


def read_files(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def stack(tmp_path, draw_nuclei):
    """Two channels."""
    pixels = np.stack([draw_nuclei((330, 90), seed=seed) for seed in range(2)])
    path = tmp_path / "stack.tif"
    metadata = {"axes": "CYX", "unit": "um"}
    tifffile.imwrite(path, pixels, imagej=True, resolution=(4, 4), metadata=metadata)
    return path


@pytest.mark.parametrize(
    ("channel", "n_slabs"), [(None, 12), ([1], 7)], ids=["all", "one-is-copied"]
)
def test_slabs_make_the_whole_image(
    monkeypatch, run_cli, tmp_path, stack, tiny_weights, channel, n_slabs
):
    monkeypatch.setattr("focusfix.io.ngff_layout.CHUNK_PX", 32)
    monkeypatch.setattr("focusfix.cli.slabs._ROWS_OF_TILES", 2)
    chosen = [] if channel is None else ["--channel", channel[0]]
    command = ("deblur", stack, "-m", tiny_weights, "--tile-size", 120, *chosen)
    whole = run_cli(*command, "-o", tmp_path / "whole.zarr")
    assert whole.code == 0, whole.err
    options = DeblurOptions(
        inputs=[str(stack)], model=str(tiny_weights), tile_size="120", channel=channel
    )
    job = AlphaJob(stack, tmp_path / "slabs.zarr", None)
    division = divide(plan_deblur(options, Console(quiet=True)), job)
    assert division is not None
    slabs = [slab for task in division.tasks for slab in task]
    assert (len(slabs), len(division.tasks)) == (n_slabs, min(8, n_slabs))
    assert {slab.plane for slab in slabs} == {0, 1}
    there = pickle.loads(pickle.dumps(division.without_tasks))
    assert not job.target.exists()
    workers = [plan_deblur(options, Console(quiet=True)) for _ in range(2)]
    mixed = random.Random(0).sample(division.tasks, len(division.tasks))
    stats = [
        restore_slabs(workers[number % 2], job, there, task) for number, task in enumerate(mixed)
    ]
    record = finish_division(workers[0], job, there, stats, 1000.0)
    assert read_files(job.target) == read_files(tmp_path / "whole.zarr")
    assert record["output"] == str(job.target)
    assert record["seconds"] > 1000
    assert not list(tmp_path.glob("*.partial"))


def test_small_images_are_not_divided(tmp_path, draw_nuclei, tiny_weights):
    path = tmp_path / "in.tif"
    tifffile.imwrite(path, draw_nuclei((64, 48)))
    options = DeblurOptions(inputs=[str(path)], model=str(tiny_weights))
    work = plan_deblur(options, Console(quiet=True))
    assert divide(work, AlphaJob(path, tmp_path / "out.zarr", None)) is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["in.tif"]
