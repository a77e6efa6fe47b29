"""Ways to run the command line, images of known content, and a network small enough for tests."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile

import focusfix
from focusfix.__main__ import main

SOURCE_FOLDER = Path(focusfix.__file__).parents[1]


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch, tmp_path_factory) -> Iterator[None]:
    """Keep the user's weights, devices and colours out of the tests."""
    for name in ("FOCUSFIX_DEVICE", "FOCUSFIX_MODEL_PATH", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FOCUSFIX_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("COLUMNS", "80")
    hook = sys.excepthook
    yield
    sys.excepthook = hook


@pytest.fixture
def run_cli(capsys) -> Callable[..., Outcome]:
    """Run a command in this process."""

    def run(*arguments: object) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run


@pytest.fixture
def program_environment(_bare_environment) -> dict[str, str]:
    """Environment of a process that runs this focusfix."""
    return {**os.environ, "PYTHONPATH": str(SOURCE_FOLDER), "OMP_NUM_THREADS": "1"}


@pytest.fixture
def run_program(program_environment) -> Callable[..., Outcome]:
    """Run a command as a user does: in a process of its own."""

    def run(*arguments: object, **options: object) -> Outcome:
        command = [sys.executable, "-m", "focusfix", *map(str, arguments)]
        done = subprocess.run(
            command,
            check=False,
            capture_output=True,
            text=True,
            env=program_environment,
            **options,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def tiny_weights(tmp_path_factory) -> Path:
    """Weights of a small random network for fluorescence."""
    return _save_tiny_weights(tmp_path_factory.mktemp("weights") / "tiny.safetensors")


@pytest.fixture(scope="session")
def save_weights() -> Callable[..., Path]:
    """Save such weights under a path, with changes to their header."""
    return _save_tiny_weights


@pytest.fixture(scope="session")
def line_weights(tmp_path_factory) -> Path:
    """Weights of a small random network of the latent-line family."""
    folder = tmp_path_factory.mktemp("line")
    return _save_random_weights(folder / "line.safetensors", "linear-ae-direct")


@pytest.fixture(scope="session")
def code_weights(tmp_path_factory) -> Path:
    """Weights of a small random disentangled network that knows images in focus."""
    folder = tmp_path_factory.mktemp("codes")
    return _save_random_weights(folder / "codes.safetensors", "manifold", in_focus=True)


@pytest.fixture(scope="session")
def save_random_weights() -> Callable[..., Path]:
    """Save a small random network of any name under a path."""
    return _save_random_weights


def _save_random_weights(path: Path, name: str, *, in_focus: bool = False) -> Path:
    import torch

    from focusfix.config import CheckpointHeader
    from focusfix.io.checkpoint import library_versions, save_checkpoint
    from focusfix.models.registry import build_network, get_entry

    torch.manual_seed(0)
    entry = get_entry(name)
    network = build_network(name, entry.tiny)
    if in_focus:
        network.set_focus_code(torch.rand(1, *network.focus_code.shape))
    header = CheckpointHeader(
        model=name,
        hyperparameters=network.hyperparameters,
        abilities=tuple(sorted(entry.abilities)),
        modality="any",
        blur_radius_px=(0.0, 6.0),
        trained_on="nothing",
        licence="BSD-3-Clause",
        seed=0,
        steps=0,
        versions=library_versions(),
        summary="random, for tests",
    )
    save_checkpoint(path, network, header)
    return path


def _save_tiny_weights(path: Path, **changes: object) -> Path:
    import torch

    from focusfix.config import CheckpointHeader
    from focusfix.io.checkpoint import library_versions, save_checkpoint
    from focusfix.models.registry import build_network, get_entry

    torch.manual_seed(0)
    network = build_network("wiener-unet", dict(get_entry("wiener-unet").tiny))
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape), alpha=0.05)
    header = CheckpointHeader(
        **{
            "model": "wiener-unet",
            "hyperparameters": network.hyperparameters,
            "abilities": ("deblur",),
            "modality": "fluorescence",
            "trained_on": "nothing",
            "licence": "BSD-3-Clause",
            "seed": 0,
            "steps": 0,
            "versions": library_versions(),
            "summary": "random, for tests",
            **changes,
        }
    )
    save_checkpoint(path, network, header)
    return path


@pytest.fixture(scope="session")
def draw_nuclei() -> Callable[..., np.ndarray]:
    """Draw a plane of bright blobs."""
    return _draw_nuclei


def _draw_nuclei(shape: tuple[int, int], *, seed: int = 0) -> np.ndarray:
    """Draw bright blobs on a dark background: uint16, 100 to about 3000."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    plane = np.full(shape, 100.0)
    for y, x, radius in zip(
        random.uniform(0, shape[0], 12),
        random.uniform(0, shape[1], 12),
        random.uniform(3, 7, 12),
        strict=True,
    ):
        plane += 1000 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / radius**2)
    return random.poisson(plane).astype(np.uint16)


@pytest.fixture
def image(tmp_path) -> Path:
    """A plain 16-bit image with a pixel size of 0.5 um."""
    path = tmp_path / "in.tif"
    tifffile.imwrite(
        path, _draw_nuclei((80, 72)), imagej=True, resolution=(2, 2), metadata={"unit": "um"}
    )
    return path


@pytest.fixture
def stack(tmp_path) -> Path:
    """An ImageJ hyperstack: 3 z levels, 2 channels, all scales set."""
    pixels = np.stack([_draw_nuclei((64, 56), seed=seed) for seed in range(6)])
    path = tmp_path / "stack.tif"
    tifffile.imwrite(
        path,
        pixels.reshape(3, 2, 64, 56),
        imagej=True,
        resolution=(4, 4),
        metadata={"axes": "ZCYX", "unit": "um", "spacing": 1.5, "Labels": list("abcdef")},
    )
    return path
