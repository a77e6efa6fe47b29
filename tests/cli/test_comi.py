"""``comi`` from training to images, both ways."""

import csv
import json

import numpy as np
import pytest
import tifffile
from safetensors.torch import load_file
from scipy.ndimage import gaussian_filter

from focusfix.io.checkpoint import load_checkpoint

TINY = (
    "--model", "comi", "--model-setting", "base_width=3", "--model-setting", "blocks=1",
    "--lesson-setting", "critic_width=2", "--crop-size", "32", "--batch-size", "2",
    "--validation-crops", "2", "--steps", "2", "--device", "cpu",
)  # fmt: skip


@pytest.fixture(scope="module")
def stacks(tmp_path_factory, draw_nuclei):
    """Three fields of three planes, the last one in focus."""
    folder = tmp_path_factory.mktemp("stacks")
    for seed in range(3):
        plane = draw_nuclei((48, 40), seed=seed).astype(float)
        levels = [gaussian_filter(plane, 1.5 * distance) for distance in (2, 1, 0)]
        stack = np.stack(levels).astype(np.uint16)
        tifffile.imwrite(folder / f"f{seed}.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    return folder


@pytest.fixture
def weights(tmp_path, save_random_weights):
    """Weights of a random network that changes images."""
    import torch

    from focusfix.io.checkpoint import save_checkpoint

    path = save_random_weights(tmp_path / "comi.safetensors", "comi")
    network, header = load_checkpoint(path)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.05)
    save_checkpoint(path, network, header)
    return path


def test_from_stacks_to_images_both_ways(tmp_path, stacks, image, run_program):
    run = tmp_path / "run"
    done = run_program("train", stacks, "-o", run, *TINY)
    assert done.code == 0, done.err
    assert "synthesis psnr db" in done.err
    network, header = load_checkpoint(run / "best.safetensors")
    assert header.abilities == ("deblur", "synthesize-blur")
    assert network.hyperparameters == {
        "channels": 1, "base_width": 3, "blocks": 1, "norm": "per-channel"
    }  # fmt: skip
    assert not any("critic" in name for name in load_file(run / "best.safetensors"))
    assert any("adversary.sharp" in name for name in load_file(run / "state.safetensors"))
    with (run / "log.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    halves = ("adversarial", "cycle_adversarial", "partner", "cycle", "identity")
    terms = {name: sum(float(last[f"{half}_{name}"]) for half in ("deblur", "blur"))
             for name in halves}  # fmt: skip
    opinions = terms.pop("adversarial") + terms.pop("cycle_adversarial")
    assert float(last["loss"]) == pytest.approx(1e-3 * opinions + sum(terms.values()), rel=1e-4)
    assert float(last["adversary_loss"]) > 0
    assert 0 <= float(last["sharp_critic_accuracy"]) <= 1
    for command, name in (("deblur", "sharp.tif"), ("synthesize-blur", "blurred.tif")):
        output = tmp_path / name
        done = run_program(command, image, "-m", run / "best.safetensors", "-o", output)
        assert (done.code, done.out) == (0, f"{output}\n"), done.err
        made, given = tifffile.imread(output), tifffile.imread(image)
        assert (made.shape, made.dtype) == (given.shape, given.dtype) == ((80, 72), np.uint16)


def test_without_pairs(tmp_path, stacks, run_cli, monkeypatch):
    for picture in ("run.write_preview", "log.write_loss_curve"):  # they take most of the time
        monkeypatch.setattr(f"focusfix.training.{picture}", lambda *_: None)
    run = tmp_path / "run"
    asked = ("train", stacks, *TINY, "--lesson-setting", "paired=false")
    record = json.loads(run_cli(*asked, "--dry-run", "--json").out)
    expected = {"paired": False, "adversarial": 1, "partner": 0, "pixel_cycle": 10}
    assert {name: record[f"lesson_{name}"] for name in expected} == expected
    assert record["learning_rate"] == 2e-4
    assert record["compared by"].startswith("absolute error and structural similarity")
    done = run_cli(*asked, "-o", run, "--json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["warnings"] == []
    with (run / "log.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    assert "deblur_pixel_cycle" in columns
    assert "deblur_partner" not in columns


def test_the_preset_of_the_published_code(stacks, run_cli):
    asked = ("train", stacks, *TINY[:6], "--crop-size", 32, "--preset", "paper", "--dry-run")
    record = json.loads(run_cli(*asked, "--json").out)
    paper = {"steps": 25_000, "batch_size": 4, "learning_rate": 1e-4, "patience": 0}
    assert {name: record[name] for name in paper} == paper


def test_the_two_ways_differ_and_are_recorded(run_cli, image, weights):
    made = {}
    for command in ("deblur", "synthesize-blur"):
        output = image.with_name(f"{command}.tif")
        done = run_cli(command, image, "-m", weights, "-o", output, "--dtype", "float32")
        assert done.code == 0, done.err
        assert "tiles" not in done.err, "one tile is the whole image"
        made[command] = tifffile.imread(output)
    assert np.abs(made["deblur"] - made["synthesize-blur"]).max() > 1
    record = json.loads((image.parent / "synthesize-blur.tif.focusfix.json").read_text())
    assert record["alpha"] is None
    assert record["models"][0]["tiles"]["exact"] is True


@pytest.mark.parametrize("command", ["deblur", "synthesize-blur"])
def test_tiles_are_blended_and_that_is_told(run_cli, weights, tmp_path, draw_nuclei, command):
    path, output = tmp_path / "wide.tif", tmp_path / "out.tif"
    tifffile.imwrite(path, draw_nuclei((200, 200)))
    done = run_cli(command, path, "-m", weights, "-o", output, "--tile-size", 128)
    assert done.code == 0, done.err
    assert "are blended where they meet" in done.err
    record = json.loads((tmp_path / "out.tif.focusfix.json").read_text())
    tiles = record["models"][0]["tiles"]
    assert tiles["exact"] is False
    assert tiles["ramp_px"] > 0
    assert tiles["count"] > 1
    assert tifffile.imread(output).shape == (200, 200)


@pytest.mark.parametrize(
    ("command", "options", "words"),
    [
        ("synthesize-blur", ("--alpha", 0.5), "--alpha has no meaning for the model"),
        ("synthesize-blur", ("--alphas", "0:1:0.5"), "--alphas has no meaning for the model"),
        ("synthesize-blur", ("--dz-um", 3), "--dz-um has no meaning for the model"),
        ("synthesize-blur", ("--blurrier", "b.tif"), "--blurrier has no meaning"),
        ("synthesize-blur", ("--max-defocus-um", 9), "--max-defocus-um has no meaning"),
        ("deblur", ("--alpha", 0.5), "--alpha is for latent-line models"),
        ("deblur", ("--trust-map", "t.tif"), "sees more of an image than a tile shows"),
    ],
)
def test_usage(run_cli, image, weights, command, options, words):
    output = image.with_name("out.tif")
    done = run_cli(command, image, "-m", weights, *options, "-o", output)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert not output.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--lesson-setting", "paired=false", "--lesson-setting", "partner=1"), "no partners"),
        (("--crop-size", "28"), "too small for the critics of comi"),
        (("--loss", "tempered-error"), "Use perceptual, l1, mse"),
        (("--in-focus-share", "0.1"), "--in-focus-share has no meaning for comi"),
        (("--model-setting", "channels=3"), "does not make one channel of one channel"),
    ],
)
def test_training_faults(tmp_path, stacks, run_cli, arguments, words):
    told = run_cli("train", stacks, "-o", tmp_path / "run", *TINY, *arguments)
    assert (told.code, told.out) == (2, "")
    assert words in told.err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def strangers(tmp_path, draw_nuclei):
    """Three images out of focus and two in focus, of other fields and another size."""
    folder = tmp_path / "strangers"
    for side, seeds, shape in (("blurry", (0, 1, 2), (48, 40)), ("sharp", (3, 4), (64, 56))):
        (folder / side).mkdir(parents=True)
        for seed in seeds:
            plane = draw_nuclei(shape, seed=seed)
            if side == "blurry":
                plane = gaussian_filter(plane.astype(float), 2).astype(np.uint16)
            tifffile.imwrite(folder / side / f"{side}{seed}.tif", plane)
    return folder


def test_from_folders_that_are_no_pairs(tmp_path, strangers, image, run_cli):
    asked = ("train", strangers, *TINY, "--lesson-setting", "paired=false")
    told = json.loads(run_cli(*asked, "--dry-run", "--json").out)
    assert told["layout"] == "unpaired folders"
    assert (told["fields_out_of_focus"], told["fields_in_focus"]) == (3, 2)
    assert told["split"] == {"train": 5, "validation": 0, "test": 0}
    run = tmp_path / "run"
    done = run_cli(*asked, "-o", run)
    assert done.code == 0, done.err
    assert "are no pairs: all are for training" in done.err
    assert "no field is left for validation" in done.err
    assert (run / "previews" / "step-0000002.png").exists()
    header = load_checkpoint(run / "best.safetensors")[1]
    assert header.trained_on == "3 fields out of focus and 2 others in focus"
    with (run / "log.csv").open(newline="") as file:
        last = list(csv.DictReader(file))[-1]
    assert (last["psnr_db"], last.get("deblur_partner")) == ("", None)
    output = tmp_path / "out.tif"
    assert run_cli("deblur", image, "-m", run / "best.safetensors", "-o", output).code == 0
    again = run_cli("train", "--resume", "-o", run, "--device", "cpu")
    assert again.code == 0, again.err


@pytest.mark.parametrize(
    ("option", "value"), [("--validation-share", 0.3), ("--z-spacing-um", 2), ("--focal-level", 0)]
)
def test_what_needs_a_truth_is_refused(strangers, run_cli, option, value):
    asked = ("train", strangers, *TINY, "--lesson-setting", "paired=false", "--dry-run")
    refused = run_cli(*asked, option, value)
    assert refused.code == 2
    assert f"{option} has no meaning for images that are no pairs" in refused.err


def test_pairs_are_needed_where_images_are_compared(strangers, run_cli):
    refused = run_cli("train", strangers, *TINY, "--dry-run")
    assert refused.code != 0
    assert "5 images have no partner" in refused.err
    assert "paired=false" in refused.err


def test_pairs_are_validated_in_unpaired_form(strangers, run_cli):
    for number, path in enumerate(sorted((strangers / "blurry").iterdir())):
        path.rename(path.with_name(f"{number}.tif"))
        for old in (strangers / "sharp").glob("sharp*"):
            old.unlink()
        tifffile.imwrite(strangers / "sharp" / f"{number}.tif", np.eye(48, 40, dtype=np.uint16))
    asked = ("train", strangers, *TINY, "--lesson-setting", "paired=false")
    told = json.loads(run_cli(*asked, "--dry-run", "--json").out)
    assert (told["layout"], told["split"]["validation"]) == ("pair folders", 1)
