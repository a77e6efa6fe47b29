"""``torchrun ... -m focusfix train``: two processes on the CPU learn as one with a larger batch."""

import csv
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tifffile
from safetensors.torch import load_file
from scipy.ndimage import gaussian_filter

TOGETHER = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
NETWORK = ("--model", "comi", "--model-setting", "base-width=3", "--model-setting", "blocks=1")
SMALL = (
    *NETWORK, "--lesson-setting", "critic_width=4", "--crop-size", "32", "--validation-crops", "2",
    "--accumulate", "2", "--device", "cpu", "--precision", "fp32",
)  # fmt: skip
LOSSES = ("loss", "adversary_loss", "psnr_db", "input_psnr_db", "learning_rate")


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


def read_curves(run):
    with (run / "log.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return np.array([[float(row[name] or "nan") for name in LOSSES] for row in rows])


def start(environment, *arguments):
    return subprocess.Popen(
        [sys.executable, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )


def test_two_processes_learn_as_one(tmp_path, stacks, run_cli, program_environment):
    """Networks with adversaries and batch norm, with accumulated gradients."""
    one, two = tmp_path / "one", tmp_path / "two"
    length = ("--steps", 4, "--validate-every", 2)
    command = ("-m", "focusfix", "train", stacks, *SMALL, *length, "--batch-size", 1, "-o", two)
    program = start(program_environment, *TOGETHER, *command)
    alone = run_cli("train", stacks, *SMALL, *length, "--batch-size", 2, "-o", one)
    assert alone.code == 0, alone.err
    out, err = program.communicate(timeout=120)
    assert (program.returncode, out) == (0, f"{two / 'best.safetensors'}\n"), err
    assert err.count("z-stacks: 4 fields") == 1
    assert "2 processes learn together" in err
    assert np.allclose(read_curves(one), read_curves(two), rtol=1e-4, equal_nan=True)
    weights = [load_file(run / "last.safetensors") for run in (one, two)]
    assert weights[0].keys() == weights[1].keys()
    assert all(weights[0][key].allclose(weights[1][key], atol=1e-3) for key in weights[0])

    refused = run_cli("train", "--resume", "-o", two, "--device", "cpu")
    assert refused.code == 2
    assert "The run was started with 2 processes, not 1" in refused.err
    assert "torchrun --nproc-per-node 2" in refused.err


def test_both_stop_when_one_is_asked_to(tmp_path, stacks, program_environment):
    """Without torchrun, whose place its variables of the environment take."""
    run = tmp_path / "run"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    command = ("-m", "focusfix", "train", stacks, *SMALL, "--steps", 20_000, "--batch-size", 1)
    programs = [
        start(program_environment | meeting | {"RANK": rank}, *command, "-o", run)
        for rank in ("0", "1")
    ]
    deadline = time.monotonic() + 90
    while not (run / "log.csv").exists() and time.monotonic() < deadline:
        assert all(each.poll() is None for each in programs)
        time.sleep(0.05)
    programs[1].send_signal(signal.SIGTERM)
    (out, err), (other_out, other_err) = (each.communicate(timeout=60) for each in programs)
    assert [each.returncode for each in programs] == [143, 143], err + other_err
    assert (out, other_out) == ("", "")
    steps = len((run / "log.csv").read_text().splitlines()) - 1
    assert f"the state after step {steps} was saved" in err
    assert "was saved" not in other_err
    assert (run / "state.safetensors").exists()
