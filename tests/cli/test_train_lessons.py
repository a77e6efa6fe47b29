"""``focusfix train`` for networks that learn from more than pairs."""

import csv
import json

import numpy as np
import pytest
import tifffile
from safetensors.torch import load_file
from scipy.ndimage import gaussian_filter

from focusfix.io.checkpoint import load_checkpoint, read_header

TINY = (
    "--model", "linear-ae-direct", "--model-setting", "widths=[4,6]", "--crop-size", "32",
    "--batch-size", "2", "--validation-crops", "2", "--device", "cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def stacks(tmp_path_factory, draw_nuclei):
    """Three fields of nine planes, the last one in focus."""
    folder = tmp_path_factory.mktemp("stacks")
    for seed in range(3):
        plane = draw_nuclei((48, 40), seed=seed).astype(float)
        levels = [gaussian_filter(plane, 1.2 * distance) for distance in range(8, -1, -1)]
        stack = np.stack(levels).astype(np.uint16)
        tifffile.imwrite(folder / f"f{seed}.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    return folder


def test_a_latent_line_is_trained_and_goes_on(tmp_path, stacks, run_program, run_cli):
    run = tmp_path / "run"
    asked = ("train", stacks, "-o", run, *TINY, "--steps", 4, "--validate-every", 2)
    done = run_program(*asked, "--loss", "mse", "--scale-free", "--accumulate", 2, "--json")
    assert done.code == 0, done.err
    assert "step 4 of 4: validation" in done.err
    assert "synthesis psnr db" in done.err
    network, header = load_checkpoint(run / "best.safetensors")
    assert (header.model, network.hyperparameters) == ("linear-ae-direct", {"widths": [4, 6]})
    assert header.abilities == ("deblur", "interpolate", "synthesize-blur")
    with (run / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    named = ("reconstruction", "synthesis", "line")
    for row in rows:
        assert float(row["loss"]) == pytest.approx(sum(float(row[name]) for name in named))
        assert float(row["code_size"]) > 0
    assert [bool(row["synthesis_psnr_db"]) for row in rows] == [False, True, False, True]
    assert len(list((run / "previews").iterdir())) == 2
    before = load_file(run / "state.safetensors")
    again = run_cli("train", "--resume", "-o", run, "--device", "cpu", "--scale-free")
    assert again.code == 0, again.err
    after = load_file(run / "state.safetensors")
    assert all(before[name].equal(after[name]) for name in before)
    changed = run_cli("train", "--resume", "-o", run, "--triplets", "full")
    assert changed.code == 2
    assert "started with lesson-setting {'triplets': 'auto'}, not" in changed.err


def test_dry_run_counts_triplets(stacks, run_cli):
    record = json.loads(run_cli("train", stacks, *TINY, "--dry-run", "--json").out)
    assert record["focal_levels"] == {"8": 3}
    assert record["triplets"] == {"train": 14, "validation": 7, "test": 0}
    assert record["lesson_triplets"] == "auto"
    full = json.loads(
        run_cli("train", stacks, *TINY, "--triplets", "full", "--dry-run", "--json").out
    )
    assert full["triplets"]["train"] == 2 * 84


def test_the_preset_of_the_paper(tmp_path, stacks, run_cli):
    asked = ("train", stacks, *TINY[:6], "--device", "cpu", "--preset", "paper")
    record = json.loads(run_cli(*asked, "--dry-run", "--json").out)
    paper = {
        "learning_rate": 1e-4, "batch_size": 4, "accumulate": 4, "patience": 0, "epochs": 40,
        "lesson_triplets": "dyadic", "lesson_crops": "ten-crop",
    }  # fmt: skip
    assert {
        name: round(record[name]) if name == "epochs" else record[name] for name in paper
    } == paper
    assert record["steps"] == 40 * 14 // 16
    run = tmp_path / "run"
    done = run_cli(*asked, "--steps", 2, "--batch-size", 1, "--validation-crops", 3, "-o", run)
    assert done.code == 0, done.err
    last, best = (load_file(run / f"{name}.safetensors") for name in ("last", "best"))
    state = load_file(run / "state.safetensors")
    assert all(state[f"network.{name}"].equal(last[name]) for name in last)
    assert best.keys() == last.keys()


def test_sharp_images_are_blurred_at_three_levels(tmp_path, draw_nuclei, run_cli, monkeypatch):
    monkeypatch.setattr("focusfix.data.simulate_series._PAIR_MICROSCOPES_EACH", 1500)
    for seed in range(2):
        tifffile.imwrite(tmp_path / f"{seed}.tif", draw_nuclei((96, 96), seed=seed))
    run = tmp_path / "run"
    done = run_cli("train", tmp_path, "--simulate", "-o", run, *TINY, "--steps", 1)
    assert done.code == 0, done.err
    assert (run / "best.safetensors").exists()
    lens = ("--numerical-aperture", 0.6, "--pixel-size-um", 0.65)
    tiny = ("--batch-size", 2, "--crop-size", 32, "--validation-crops", 2, "--steps", 1)
    narrow = ("--model-setting=base_width=2", "--model-setting=depth=1")
    done = run_cli(
        "train", tmp_path, "--simulate", *lens, "-m", "refocus", "--model-setting=sign=focus",
        *narrow, *tiny, "-o", tmp_path / "refocus",
    )  # fmt: skip
    assert done.code == 0, done.err
    header = read_header(tmp_path / "refocus" / "best.safetensors")
    assert header.pixel_size_um == (0.65, 0.65)
    assert header.numerical_aperture == (0.6, 0.6)
    assert header.blur_radius_px == pytest.approx((0, 12), abs=0.1)
    assert header.hyperparameters["sign"] == "focus"
    told = run_cli("train", tmp_path, "--simulate", *TINY, "--crops", "ten-crop", "--dry-run")
    assert (told.code, told.out) == (2, "")
    assert "--crops has no meaning for sharp images with --simulate" in told.err


@pytest.fixture(scope="module")
def others(tmp_path_factory, draw_nuclei):
    """Data that latent lines cannot be taught with."""
    folder = tmp_path_factory.mktemp("others")
    plane = draw_nuclei((48, 40))
    for name in ("pairs/in_focus", "pairs/out_of_focus", "flat", "middle"):
        (folder / name).mkdir(parents=True)
    tifffile.imwrite(folder / "pairs/in_focus/a.tif", plane)
    tifffile.imwrite(folder / "pairs/out_of_focus/a.tif", plane)
    tifffile.imwrite(folder / "flat/a.tif", plane[None], imagej=True, metadata={"axes": "ZYX"})
    stack = np.stack([plane // 2, plane, plane // 2])
    tifffile.imwrite(folder / "middle/a.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    return folder


@pytest.mark.parametrize(
    ("data", "arguments", "code", "message"),
    [
        ("pairs", (), 3, "(at most 2 levels in all; pair folders): there are no triplets"),
        ("middle", ("--focal-level", "1"), 3, "three z-levels on one side of its focal level"),
        ("flat", (), 3, "has 1 z-level(s)"),
        ("stacks", ("--crop-size", "64"), 3, "smaller than a crop of 64"),
        ("stacks", ("--focal-level", "5", "--triplets", "dyadic"), 3, "Use --triplets full"),
        ("stacks", ("--triplets", "all"), 2, "--triplets"),
        ("stacks", ("--lesson-setting", "depth=2"), 2, "--depth has no meaning for linear-ae"),
        ("stacks", ("--lesson-setting", "depth"), 2, "--lesson-setting takes KEY=VALUE"),
        ("stacks", ("--loss", "tempered-error"), 2, "Use l1, mse"),
        ("stacks", ("--in-focus-share", "0.1"), 2, "--in-focus-share has no meaning for linear"),
        ("stacks", ("--z-spacing-um", "0"), 2, "--z-spacing-um must be greater than 0"),
        ("stacks", ("--model", "multilevel-unet", "--triplets", "full"), 2, "no meaning for multi"),
        ("stacks", ("--model", "multilevel-unet", "--preset", "paper"), 2, "--preset paper has no"),
    ],
)
def test_faults_are_told_before_anything_is_written(
    tmp_path, stacks, others, run_cli, data, arguments, code, message
):
    place = stacks if data == "stacks" else others / data
    settings = TINY[4:] if "multilevel-unet" in arguments else TINY
    told = run_cli("train", place, "-o", tmp_path / "run", *settings, *arguments)
    assert (told.code, told.out) == (code, ""), told.err
    assert message in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "run").exists()
