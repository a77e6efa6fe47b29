"""``focusfix score --checkpoint``: weights are scored on what they were not trained on."""

import csv
import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from pydantic import TypeAdapter
from scipy.ndimage import gaussian_filter

from focusfix.cli.score_schema import ScoredWeights, ScoreLine

FIELDS = ("a", "b", "c")


@pytest.fixture(scope="module")
def stacks(tmp_path_factory, draw_nuclei) -> Path:
    """Three fields of five planes; the middle one is in focus."""
    folder = tmp_path_factory.mktemp("stacks")
    for seed, name in enumerate(FIELDS):
        plane = draw_nuclei((64, 72), seed=seed).astype(np.float64)
        planes = [gaussian_filter(plane, abs(z - 2) * 1.5) for z in range(5)]
        tifffile.imwrite(
            folder / f"{name}.tif",
            np.stack(planes).astype(np.uint16),
            imagej=True,
            metadata={"axes": "ZYX", "spacing": 2.0, "unit": "um"},
        )
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory, save_weights) -> Path:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    return save_weights(path, held_out={"test": ("b",), "validation": ("c",)})


def test_only_held_out_fields_are_scored(run_cli, stacks, weights) -> None:
    outcome = run_cli(
        "score", "--checkpoint", weights, "--data", stacks, "--format", "json", "--focal-level", 2
    )
    assert outcome.code == 0
    record = json.loads(outcome.out)
    line = TypeAdapter(ScoreLine).validate_json(outcome.out, strict=True)
    assert isinstance(line, ScoredWeights)
    assert json.loads(line.model_dump_json()) == record
    assert (record["fields"], record["split"], record["model"]) == (["b"], "test", "wiener-unet")
    assert record["schema_version"] == 1
    (channel,) = record["channels"]
    rows = {(r["task"], r["method"], r["distance"]): r for r in channel["rows"]}
    assert set(rows) == {
        ("deblurring", method, distance)
        for method in ("model", "doing nothing")
        for distance in (0, 2, 4, None)
    }
    assert record["distance_unit"] == "um"
    assert rows["deblurring", "doing nothing", 0]["psnr_db"] == "inf"
    assert rows["deblurring", "doing nothing", 2]["images"] == 2
    blurred = [rows["deblurring", "doing nothing", distance]["psnr_db"] for distance in (2, 4)]
    assert rows["deblurring", "doing nothing", None]["psnr_db"] == pytest.approx(np.mean(blurred))
    assert "may have been trained on" not in outcome.err


def test_table_shows_doing_nothing_beside_the_model(run_cli, stacks, weights) -> None:
    outcome = run_cli(
        "score", "--checkpoint", weights, "--data", stacks, "--split", "validation",
        "--crop-size", 48, "--focal-level", 2,
    )  # fmt: skip
    lines = outcome.out.splitlines()
    assert lines[0] == f"{weights} (wiener-unet, 0 steps)"
    assert lines[1].startswith("middle 48 px of 1 field (validation); data range 1")
    assert lines[4].split() == [
        "task", "method", "distance", "images", "PSNR", "nothing", "gain", "SSIM", "nothing"
    ]  # fmt: skip
    assert [line.split()[2] for line in lines[5:]] == ["0", "2", "4", "mean"]


def test_csv_has_one_row_for_each_measure(run_cli, stacks, weights) -> None:
    outcome = run_cli(
        "score", "--checkpoint", weights, "--data", stacks, "--split", "all", "--format", "csv",
        "--level-step", 2, "--focal-level", 2,
    )  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(outcome.out)))
    assert {row["distance"] for row in rows} == {"0.0", "4.0", ""}
    assert {int(row["images"]) for row in rows} == {6}
    assert "1 of the fields may have been trained on" in outcome.err


def test_fields_that_were_trained_on_are_refused(run_cli, stacks, tiny_weights, weights) -> None:
    outcome = run_cli("score", "--checkpoint", tiny_weights, "--data", stacks)
    assert outcome.code == 3
    assert "do not say which fields were kept for test" in outcome.err
    assert "--split all" in outcome.err
    outcome = run_cli("score", "--checkpoint", weights, "--data", stacks / "a.tif")
    assert outcome.code == 3
    assert "hold none of the fields that the weights kept for test: b" in outcome.err


def test_limits(run_cli, stacks, weights) -> None:
    common = ("score", "--checkpoint", weights, "--data", stacks, "--crop-size", 48)
    assert run_cli(*common, "--fail-under", "psnr=5").code == 0
    outcome = run_cli(*common, "--fail-under", "psnr_gain=90")
    assert outcome.code == 8
    assert "psnr_gain is" in outcome.err
    assert run_cli(*common, "--fail-under", "lds=0.5").code == 8
    assert "less of it is better" in run_cli(*common, "--fail-under", "apd=0.5").err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint", "W"], "--checkpoint needs focal series"),
        (["--data", "D", "x.tif"], "--data is about the weights of --checkpoint"),
        (["--checkpoint", "W", "--data", "D", "x.tif"], "it takes no images"),
        (["--checkpoint", "W", "--data", "D", "--affine-fit"], "--affine-fit has no meaning"),
        (["--checkpoint", "W", "--data", "D", "--reference", "x"], "--reference has no meaning"),
        (["--checkpoint", "W", "--data", "D", "--level-step", "0"], "--level-step must be 1"),
        (["--checkpoint", "W", "--data", "D", "--crop-size", "8"], "--crop-size must be 16"),
        (["--checkpoint", "W", "--data", "D", "--latent-plot", "x.gif"], "--latent-plot writes"),
    ],
)
def test_options_that_do_not_go_together(run_cli, arguments, message) -> None:
    outcome = run_cli("score", *arguments)
    assert outcome.code == 2
    assert message in outcome.err


def test_crop_larger_than_the_fields(run_cli, stacks, weights) -> None:
    outcome = run_cli("score", "--checkpoint", weights, "--data", stacks, "--crop-size", 65)
    assert outcome.code == 3
    assert "64 x 72 pixels, smaller than 65" in outcome.err


@pytest.fixture
def save_model(tmp_path):
    """Save a tiny random network of any kind, trained on field a."""

    def save(name: str) -> Path:
        import torch

        from focusfix.config import CheckpointHeader
        from focusfix.io.checkpoint import library_versions, save_checkpoint
        from focusfix.models.registry import build_network, get_entry
        from focusfix.models.two_code_model import DisentangledModel

        torch.manual_seed(0)
        network = build_network(name, get_entry(name).tiny).eval()
        if isinstance(network, DisentangledModel):
            with torch.no_grad():
                network.set_focus_code(network.encode(torch.rand(3, 1, 32, 32)).blur)
        header = CheckpointHeader(
            model=name, hyperparameters=network.hyperparameters, abilities=("deblur",),
            modality="fluorescence", trained_on="nothing", licence="BSD-3-Clause", seed=0, steps=0,
            versions=library_versions(), summary="random", held_out={"test": ("b", "c")},
        )  # fmt: skip
        save_checkpoint(tmp_path / f"{name}.safetensors", network, header)
        return tmp_path / f"{name}.safetensors"

    return save


def test_latent_lines_are_scored_as_paths(run_cli, stacks, save_model, tmp_path) -> None:
    plot = tmp_path / "codes.svg"
    common = ("--data", stacks, "--focal-level", 2, "--latent-plot", plot)
    outcome = run_cli("score", "--checkpoint", save_model("linear-ae-direct"), *common)
    assert outcome.code == 0, outcome.err
    assert "LDS " in outcome.out
    assert "APD of squares " in outcome.out
    tasks = {line.split("  ")[0] for line in outcome.out.splitlines()}
    assert {"deblurring", "reconstruction", "synthesis", "synthesis, ends included"} <= tasks
    assert b"<svg" in plot.read_bytes()
    limit = ("--fail-under", "lds=-1", "--fail-under", "synthesis_psnr=1")
    checkpoint = save_model("linear-ae-direct")
    data = ("--data", stacks, "--focal-level", 2)
    assert run_cli("score", "--checkpoint", checkpoint, *data, *limit).code == 0


def test_separate_codes_are_read_by_classifiers(run_cli, stacks, save_model, tmp_path) -> None:
    plot = tmp_path / "codes.png"
    outcome = run_cli(
        "score", "--checkpoint", save_model("manifold-1d"), "--data", stacks, "--focal-level", 2,
        "--format", "json", "--latent-plot", plot,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    line = TypeAdapter(ScoreLine).validate_json(outcome.out, strict=True)
    assert isinstance(line, ScoredWeights)
    assert set(line.channels[0].probes) == {"linear", "mlp"}
    assert line.channels[0].probes["mlp"].chance == pytest.approx(1 / 2)
    methods = {row.method for row in line.channels[0].rows if row.task == "deblurring"}
    assert methods == {"doing nothing", "random in-focus donor", "stored focus code"}
    assert plot.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("linear-ae-direct", ("APD of squares", "less the mean of each field", "synthesis: PSNR")),
        ("manifold-1d", ("ML-VAE score", "blur code, one number", "stored focus code")),
    ],
)
def test_page_of_weights(run_cli, stacks, save_model, tmp_path, name, shown) -> None:
    page = tmp_path / "page.html"
    weights = save_model(name)
    outcome = run_cli(
        "score", "--checkpoint", weights, "--data", stacks, "--focal-level", 2,
        "--format", "html", "--report", page,
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    text = page.read_text("utf-8")
    assert outcome.out.strip() == text.strip()
    assert text.startswith("<!doctype html>")
    for part in (*shown, "b, c (test)", "prefers-color-scheme: dark", "reconstruction: SSIM"):
        assert part in text
    for file in (weights, stacks / "b.tif"):
        assert hashlib.sha256(file.read_bytes()).hexdigest() in text
    assert hashlib.sha256((stacks / "a.tif").read_bytes()).hexdigest() not in text
    assert text.count("<img ") >= 3 + 3 + 2


def test_report_that_is_no_page(run_cli, stacks, weights, tmp_path) -> None:
    arguments = ("score", "--checkpoint", weights, "--data", stacks)
    outcome = run_cli(*arguments, "--report", tmp_path / "page.pdf")
    assert outcome.code == 2
    assert "--report writes an HTML page, not page.pdf" in outcome.err
