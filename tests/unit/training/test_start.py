"""Runs that start from weights."""

import pytest
import torch
from safetensors.torch import load_file

from focusfix.config import CheckpointHeader
from focusfix.errors import ModelError, UsageError
from focusfix.io.checkpoint import library_versions, read_header, save_checkpoint
from focusfix.models.registry import build_network, get_entry
from focusfix.training.run import Run
from focusfix.training.run_folder import RunFolder
from focusfix.training.start import (
    FINE_TUNING_RATE,
    check_agreement,
    default_start,
    read_start,
    start_with,
)


class Quiet:
    """A view that shows nothing."""

    def show(self, status):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass


@pytest.fixture
def weights(tmp_path):
    """A file of wiener-unet weights that are all 0.02."""
    network = build_network("wiener-unet", get_entry("wiener-unet").tiny)
    for parameter in network.parameters():
        parameter.data.fill_(0.02)
    header = CheckpointHeader(
        model="wiener-unet",
        hyperparameters=network.hyperparameters,
        abilities=("deblur",),
        modality="fluorescence",
        trained_on="constants",
        licence="CC0",
        seed=0,
        steps=0,
        versions=library_versions(),
        summary="for tests",
    )
    path = tmp_path / "first.safetensors"
    save_checkpoint(path, network, header)
    return path


@pytest.fixture
def make_run(tmp_path, weights, drawn_data, cpu, make_settings):
    settings = start_with(make_settings(validate_every=3), read_start(str(weights)), {})

    def make(name):
        data, folder = drawn_data(), RunFolder(tmp_path / name)
        if not folder.path.exists():
            folder.start(settings, data.split_table)
        return Run(data, folder.read_settings(), folder, cpu)

    return make


@pytest.mark.parametrize(
    ("model", "modality", "name"),
    [
        ("wiener-unet", "fluorescence", "fluorescence"),
        ("wiener-unet", "brightfield", "brightfield"),
        ("wiener-unet", "any", "fluorescence"),
        ("latent-line", "brightfield", "latent-line"),
        ("multilevel-unet", "fluorescence", "nothing"),
    ],
)
def test_what_runs_start_from(model, modality, name):
    assert default_start(model, modality) == name


def test_the_weights_decide_about_the_network(weights, make_settings):
    start = read_start(str(weights))
    settings = start_with(make_settings(), start, {})
    assert settings.model == "wiener-unet"
    assert settings.hyperparameters == start.header.hyperparameters
    assert settings.learning_rate == FINE_TUNING_RATE
    assert settings.start_name == str(weights)
    assert start_with(make_settings(), start, {"learning_rate": 0.1}).learning_rate == 0.1
    check_agreement(start, "wiener-unet", {"widths": [4, 6], "unknown": 1})
    with pytest.raises(UsageError, match="--model multilevel-unet contradicts the weights"):
        check_agreement(start, "multilevel-unet", {})
    with pytest.raises(UsageError, match=r"widths=\[4\] contradicts .* they have widths=\[4, 6\]"):
        check_agreement(start, None, {"widths": [4]})


def test_a_run_starts_from_the_weights_and_says_so(make_run, weights):
    run = make_run("run")
    expected = load_file(weights)
    for name, value in run.trainer.network.state_dict().items():
        assert torch.equal(value, expected[name])
        assert torch.equal(run.trainer.average[name], expected[name])
    run.train(Quiet())
    header = read_header(run.folder.last)
    assert header.trained_on.startswith("drawn dots; started from first.safetensors (SHA-256 ")
    assert header.trained_on.endswith("licence: CC0), which were trained on constants")
    assert header.summary == "first.safetensors fine-tuned with focusfix train on drawn dots"


def test_going_on_needs_the_weights_only_before_the_first_state(make_run, weights, monkeypatch):
    straight = make_run("straight")
    straight.train(Quiet())
    stopped = make_run("stopped")
    monkeypatch.setattr(stopped, "_is_over", lambda: stopped.trainer.step >= 3)
    stopped.train(Quiet())
    content = weights.read_bytes()
    weights.unlink()
    resumed = make_run("stopped")
    resumed.resume()
    assert resumed.trainer.step == 3
    resumed.train(Quiet())
    one, other = load_file(straight.folder.state), load_file(resumed.folder.state)
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(ModelError, match=r"no such weights file\..*Bring the file back"):
        make_run("new")
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match="the run was planned with"):
        make_run("new")
