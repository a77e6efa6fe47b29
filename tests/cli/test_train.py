"""``focusfix train``: from images to a checkpoint that deblurs, and back after an interruption."""

import csv
import hashlib
import json
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from safetensors.torch import load_file
from scipy.ndimage import gaussian_filter

from focusfix.io.checkpoint import read_header

TINY = (
    "--model", "multilevel-unet", "--model-setting", "levels=1", "--model-setting", "base-width=2",
    "--crop-size", "32", "--batch-size", "2", "--validation-crops", "2", "--device", "cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def stacks(tmp_path_factory, draw_nuclei):
    """Four fields of three planes, the middle one in focus."""
    folder = tmp_path_factory.mktemp("stacks")
    for seed in range(4):
        plane = draw_nuclei((48, 40), seed=seed)
        blurred = gaussian_filter(plane.astype(float), 3).astype(np.uint16)
        stack = np.stack([blurred, plane, blurred])
        tifffile.imwrite(folder / f"f{seed}.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    return folder


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """A folder that takes the place of the weights that ship; empty."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr("focusfix.io.weights.shipped_folder", lambda: folder)
    return folder


def test_train_deblur_and_resume(tmp_path, stacks, run_cli):
    run = tmp_path / "run"
    done = run_cli("train", stacks, "-o", run, *TINY, "--steps", 4, "--validate-every", 2, "--json")
    assert done.code == 0, done.err
    record = json.loads(done.out)
    assert record["schema_version"] == 1
    assert (record["steps"], record["best"]) == (4, str(run / "best.safetensors"))
    assert "4 fields, 2 for training, 1 for validation, 1 for test" in done.err
    assert "step 4 of 4: validation" in done.err
    with (run / "split.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["focal_level"] for row in rows} == {"1"}
    restored = run_cli(
        "deblur", stacks / "f0.tif", "-m", run / "best.safetensors", "-o", tmp_path / "out.tif"
    )
    assert restored.code == 0, restored.err
    assert tifffile.imread(tmp_path / "out.tif").shape == (3, 48, 40)
    before = (run / "state.safetensors").read_bytes()
    again = run_cli("train", "--resume", "-o", run, "--device", "cpu")
    assert (again.code, again.out) == (0, f"{run / 'best.safetensors'}\n")
    assert (run / "state.safetensors").read_bytes() == before


def test_dry_run_says_what_was_understood(stacks, run_cli):
    told = run_cli("train", stacks, "--dry-run", *TINY, "--epochs", 3)
    assert told.code == 0, told.err
    facts = dict(line.strip().split("  ", 1) for line in told.out.splitlines()[1:])
    facts = {name: value.strip() for name, value in facts.items()}
    assert facts["layout"] == "z-stacks"
    assert facts["z levels"] == "0 to 2"
    assert facts["focal levels"] == "1: 4"
    assert facts["split"] == "train: 2, validation: 1, test: 1"
    assert facts["pairs"] == "train: 4, validation: 2, test: 2"
    assert (facts["crops per epoch"], facts["steps"]) == ("4", "6")
    record = json.loads(run_cli("train", stacks, "--dry-run", *TINY, "--json").out)
    assert record["fields"] == 4
    assert record["focal_levels"] == {"1": 4}
    assert record["model"] == "multilevel-unet"


SHORT = ("--crop-size", "32", "--batch-size", "2", "--validation-crops", "2", "--device", "cpu")


def test_weights_that_ship_are_fine_tuned(tmp_path, stacks, run_cli, shipped, save_weights):
    weights = save_weights(shipped / "fluorescence.safetensors", licence="CC0")
    save_weights(shipped / "brightfield.safetensors", modality="brightfield")
    run = tmp_path / "run"
    done = run_cli("train", stacks, "-o", run, *SHORT, "--steps", 2)
    assert done.code == 0, done.err
    assert "fine-tuning the weights fluorescence (wiener-unet, trained on fluorescence" in done.err
    settings = json.loads((run / "config.json").read_text())["settings"]
    assert settings["learning_rate"] == 3e-4
    assert settings["hyperparameters"]["hidden"] == 6
    assert settings["start_from"]["sha256"] == hashlib.sha256(weights.read_bytes()).hexdigest()
    header = read_header(run / "best.safetensors")
    assert header.trained_on.startswith("2 fields, z-stacks; started from fluorescence (SHA-256")
    assert "licence: CC0), which were trained on nothing" in header.trained_on
    assert header.summary == "fluorescence fine-tuned with focusfix train on 2 fields, z-stacks"
    before, after = load_file(weights), load_file(run / "last.safetensors")
    kept = {name for name in before if before[name].equal(after[name])}
    assert kept == {name for name in before if name.startswith("filters.")}
    weights.unlink()
    resume = ("train", "--resume", "-o", run, "--device", "cpu")
    again = run_cli(*resume)
    assert (again.code, again.out) == (0, f"{run / 'best.safetensors'}\n")
    assert "fine-tuning" not in again.err
    refused = run_cli(*resume, "--start-from", "nothing")
    assert refused.code == 2
    assert "started with start-from 'fluorescence', not 'nothing'" in refused.err
    (run / "state.safetensors").unlink()
    missing = run_cli(*resume)
    assert missing.code == 4
    assert "Bring the file back" in missing.err


def test_dry_run_names_what_a_run_starts_from(stacks, run_cli, shipped, save_weights, tmp_path):
    look = ("train", stacks, "--dry-run", *SHORT)
    save_weights(shipped / "brightfield.safetensors", modality="brightfield")
    told = run_cli(*look, "--modality", "brightfield")
    assert re.search(r"^  start from +brightfield$", told.out, re.MULTILINE)
    assert re.search(r"^  start sha256 +[0-9a-f]{64}$", told.out, re.MULTILINE)
    assert re.search(r"^  learning rate +0.0003$", told.out, re.MULTILINE)
    path = save_weights(tmp_path / "mine.safetensors", modality="brightfield")
    given = run_cli(*look, "--start-from", path, "--learning-rate", "0.01", "--json")
    record = json.loads(given.out)
    assert (record["model"], record["start_from"]) == ("wiener-unet", str(path))
    assert record["learning_rate"] == 0.01
    assert 0 < record["trained_parameters"] < record["parameters"]
    assert "warning: the data are fluorescence, the weights" in given.err
    nothing = run_cli(*look, "--start-from", "nothing", "--json")
    record = json.loads(nothing.out)
    assert (record["start_from"], record["start_sha256"]) == ("nothing", None)
    assert "warning: starting from random weights: train does not learn a part" in nothing.err
    other = run_cli("train", stacks, "--dry-run", *TINY)
    assert "starting from random weights (multilevel-unet)" in other.err


def test_a_run_is_not_replaced_unasked(tmp_path, stacks, run_cli):
    run = tmp_path / "run"
    arguments = ("train", stacks, "-o", run, *TINY, "--steps", 1)
    assert run_cli(*arguments).code == 0
    refused = run_cli(*arguments)
    assert (refused.code, refused.out) == (6, "")
    assert "Use --resume" in refused.err
    changed = run_cli("train", "--resume", "-o", run, "--learning-rate", "0.1")
    assert changed.code == 2
    assert "started with learning-rate 0.001, not 0.1" in changed.err
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for path in list(stacks.iterdir())[1:]:
        (moved / path.name).write_bytes(path.read_bytes())
    other = run_cli("train", moved, "--resume", "-o", run)
    assert other.code == 3
    assert "data are not those of the run" in other.err
    assert run_cli(*arguments, "--overwrite").code == 0


@pytest.mark.usefixtures("shipped")
@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("{stacks}",), 2, "No folder for the run"),
        (("-o", "{run}"), 2, "No data were given"),
        (("{stacks}", "-o", "{run}", "--resume", "--overwrite"), 2, "contradict"),
        (("{stacks}", "-o", "{run}", "--resume"), 3, "config.json is missing"),
        (("{stacks}", "-o", "{run}", "--steps", "5", "--epochs", "2"), 2, "both given"),
        (("{stacks}", "-o", "{run}", "--epochs", "0"), 2, "--epochs must be greater"),
        (("{stacks}", "-o", "{run}", "--learning-rate", "-1"), 2, "--learning-rate"),
        (("{stacks}", "-o", "{run}", "--model", "unet"), 4, "Known architectures"),
        (("{stacks}", "-o", "{run}", "--model-setting", "depth"), 2, "takes KEY=VALUE"),
        (("{stacks}", "-o", "{run}", "--model-setting", "depth=2"), 4, "no hyperparameter"),
        (
            ("{stacks}", "-o", "{run}", "-m", "multilevel-unet", "--model-setting=in_channels=2"),
            2,
            "one channel of one channel",
        ),
        (("{stacks}", "-o", "{run}", "--crop-size", "44"), 2, "not a multiple of"),
        (("{stacks}", "-o", "{run}", "--start-from", "none"), 4, "no weights called 'none'"),
        (("{stacks}", "-o", "{run}", "--start-from", "a.safetensors"), 4, "no such weights file"),
        (("{stacks}", "-o", "{run}", "--crop-size", "32"), 4, "--start-from nothing starts"),
        (
            ("{stacks}", "-o", "{run}", "--start-from", "{weights}", "-m", "multilevel-unet"),
            2,
            "--model multilevel-unet contradicts the weights",
        ),
        (
            ("{stacks}", "-o", "{run}", "--start-from", "{weights}", "--model-setting=hidden=9"),
            2,
            "--model-setting hidden=9 contradicts the weights",
        ),
        (("{stacks}", "-o", "{run}"), 3, "smaller than a crop of 128"),
        (("{stacks}", "-o", "{run}", "--focal-level", "9"), 3, "no z-level 9"),
        (("{stacks}", "-o", "{run}", "--channel", "dapi"), 2, "no channel 'dapi'"),
        (("{stacks}", "-o", "{run}", "--device", "cuda:77"), 4, "cuda:77"),
        (("{stacks}/none", "-o", "{run}"), 3, "does not exist"),
        (("{empty}", "-o", "{run}"), 3, "holds no TIFF"),
        (("{empty}", "--simulate", "-o", "{run}"), 3, "Name a folder with sharp images"),
        (
            ("{stacks}", "--numerical-aperture", "0.5", "--pixel-size-um", "0.5", "-o", "{run}"),
            2,
            "--numerical-aperture is for sharp images",
        ),
        (
            ("{stacks}", "--simulate", "--numerical-aperture", "0.5", "-o", "{run}"),
            2,
            "whose pixel size is missing",
        ),
        (
            (
                "{stacks}",
                "--simulate",
                "--numerical-aperture",
                "0.5",
                "--pixel-size-um",
                "0.5",
                "--max-defocus-um",
                "900",
                "-o",
                "{run}",
            ),
            2,
            "is more than is simulated",
        ),
        (
            (
                "{stacks}",
                "--simulate",
                "--numerical-aperture",
                "1.5",
                "--pixel-size-um",
                "0.5",
                "-o",
                "{run}",
            ),
            2,
            "must be below",
        ),
        (("{stacks}", "--simulate", "-m", "refocus", "-o", "{run}"), 3, "for one microscope"),
        (("{stacks}", "-o", "{stacks}"), 6, "holds no run"),
    ],
)
def test_faults_are_told_before_anything_is_written(
    tmp_path, stacks, run_cli, tiny_weights, arguments, code, message
):
    (tmp_path / "empty").mkdir()
    places = {
        "stacks": stacks,
        "run": tmp_path / "run",
        "empty": tmp_path / "empty",
        "weights": tiny_weights,
    }
    told = run_cli("train", *(argument.format(**places) for argument in arguments))
    assert (told.code, told.out) == (code, ""), told.err
    assert message in told.err
    assert "Traceback" not in told.err
    assert not (tmp_path / "run").exists()


def test_what_will_disappoint_is_told(tmp_path, stacks, run_cli, monkeypatch):
    monkeypatch.setattr("focusfix.training.plan.choose_precision", lambda _: "fp32")
    arguments = ("train", stacks, *TINY, "--steps", 1, "--precision", "bf16")
    told = run_cli(*arguments, "-o", tmp_path / "run")
    assert told.code == 0, told.err
    assert "warning: cpu has no instructions for bf16" in told.err
    assert "warning: the best checkpoint is no better than leaving the images" in told.err
    monkeypatch.setattr("focusfix.training.plan.choose_precision", lambda _: "bf16")
    assert "instructions" not in run_cli(*arguments, "--dry-run").err
    alone = run_cli("train", stacks / "f0.tif", *TINY, "--dry-run")
    assert "z-stacks: 1 field, 1 for training" in alone.err
    assert "warning: no field is left for validation" in alone.err


def test_a_plate_is_split_by_wells(tmp_path, draw_nuclei, run_cli):
    for number, well in enumerate(("a01", "b07", "p24")):
        for site in (1, 2):
            plane = draw_nuclei((32, 40), seed=10 * number + site)
            for level in (0, 16):
                name = f"mcf-z-stacks-03212011_{well}_s{site}_w1{number}b-{level}.tif"
                path = tmp_path / f"BBBC006_v1_images_z_{level:02d}" / name
                path.parent.mkdir(exist_ok=True)
                image = plane if level == 16 else gaussian_filter(plane.astype(float), 2)
                tifffile.imwrite(path, image.astype(np.uint16), compression="lzw")
    record = json.loads(run_cli("train", tmp_path, "--dry-run", "--json", *TINY).out)
    assert (record["layout"], record["fields"], record["wells"]) == ("plane folders", 6, 3)
    assert record["focal_levels"] == {"16": 6}
    run = tmp_path / "run"
    assert run_cli("train", tmp_path, "-o", run, *TINY, "--steps", 1).code == 0
    with (run / "split.csv").open(newline="") as file:
        splits = {(row["well"], row["split"]) for row in csv.DictReader(file)}
    assert len(splits) == 3
    assert [split for _, split in splits].count("validation") == 1


def test_pairs_of_two_folders(tmp_path, draw_nuclei, run_cli):
    for seed in range(2):
        plane = draw_nuclei((40, 40), seed=seed)
        for name, image in (("out", gaussian_filter(plane.astype(float), 3)), ("in", plane)):
            (tmp_path / name).mkdir(exist_ok=True)
            tifffile.imwrite(tmp_path / name / f"{seed}.tif", image.astype(np.uint16))
    both = (tmp_path / "out", "--in-focus", tmp_path / "in")
    record = json.loads(run_cli("train", *both, "--dry-run", "--json", *TINY).out)
    assert record["layout"] == "pair folders"
    assert record["pairs"] == {"train": 1, "validation": 1, "test": 0}


def test_the_series_of_synthesize_blur_trains(tmp_path, draw_nuclei, run_cli):
    for seed in range(2):
        tifffile.imwrite(tmp_path / f"{seed}.tif", draw_nuclei((48, 48), seed=seed), imagej=True)
    blurred = run_cli(
        "synthesize-blur", tmp_path / "0.tif", tmp_path / "1.tif", "--numerical-aperture", "0.5",
        "--pixel-size-um", "0.65", "--dz-um", "6", "--dz-um", "12", "-o", tmp_path / "series",
    )  # fmt: skip
    assert blurred.code == 0, blurred.err
    record = json.loads(run_cli("train", tmp_path / "series", "--dry-run", "--json", *TINY).out)
    assert (record["layout"], record["fields"]) == ("manifest", 2)
    assert record["focal_levels"] == {"0": 2}


def test_an_interrupted_and_resumed_run_ends_with_the_same_weights(
    tmp_path, stacks, run_cli, program_environment
):
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    settings = (*TINY, "--steps", 160, "--validate-every", 70, "--patience", 0)
    assert run_cli("train", stacks, "-o", straight, *settings).code == 0
    command = ("train", stacks, "-o", stopped, *settings)
    program = start_training(command, stopped, program_environment)
    time.sleep(0.2)
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (130, ""), err
    steps = len((stopped / "log.csv").read_text().splitlines()) - 1
    assert 0 < steps < 160
    assert f"the state after step {steps} was saved" in err
    resumed = run_cli("train", "--resume", "-o", stopped, "--device", "cpu")
    assert resumed.code == 0, resumed.err
    for name in ("state", "best", "last"):
        one, other = (load_file(run / f"{name}.safetensors") for run in (straight, stopped))
        assert one.keys() == other.keys()
        assert all(one[key].equal(other[key]) for key in one)
    assert (straight / "log.csv").read_text() == (stopped / "log.csv").read_text()


def start_training(command, run, environment):
    """Start a process, and wait until it takes steps."""
    program = subprocess.Popen(
        [sys.executable, "-m", "focusfix", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )
    deadline = time.monotonic() + 60
    while not (run / "log.csv").exists() and time.monotonic() < deadline:
        assert program.poll() is None, program.communicate()
        time.sleep(0.02)
    return program


def test_terminated_training_goes_on(tmp_path, stacks, run_cli, program_environment):
    run = tmp_path / "run"
    command = ("train", stacks, "-o", run, *TINY, "--steps", 20_000, "--validate-every", 20_000)
    program = start_training(command, run, program_environment)
    time.sleep(0.5)
    program.send_signal(signal.SIGTERM)
    out, err = program.communicate(timeout=60)
    assert (program.returncode, out) == (143, ""), err
    assert f"go on with focusfix train --resume -o {run}" in err
    assert {"state.safetensors", "last.safetensors"} <= {path.name for path in run.iterdir()}
    assert not list(run.glob("*.partial"))
    config = json.loads((run / "config.json").read_text())
    steps = len((run / "log.csv").read_text().splitlines()) - 1
    config["settings"]["steps"] = config["settings"]["validate_every"] = steps + 2
    (run / "config.json").write_text(json.dumps(config))
    resumed = run_cli("train", "--resume", "-o", run, "--device", "cpu")
    assert resumed.code == 0, resumed.err
    assert f"going on after step {steps}" in resumed.err
    assert load_file(run / "best.safetensors")


def test_help_names_every_layout(run_cli):
    told = run_cli("train", "--help")
    assert told.code == 0
    for word in ("z_00", "manifest", "--simulate", "--resume", "focusfix train zstacks/ --dry-run"):
        assert word in told.out
