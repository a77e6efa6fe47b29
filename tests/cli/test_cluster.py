"""``--scheduler``: a real Dask scheduler and two workers on this machine, one of which is lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile

import focusfix

dask = pytest.importorskip("dask", reason="the extra distributed is not installed")
distributed = pytest.importorskip("distributed", reason="the extra distributed is not installed")

LOCAL = ("--host", "127.0.0.1")
READY_WITHIN_S = 60


@dataclass(frozen=True)
class Cluster:
    """A scheduler and its workers."""

    address: str
    workers: list[subprocess.Popen[bytes]]


def start(folder: Path, *arguments: str) -> subprocess.Popen[bytes]:
    """Start a process of Dask that can import this focusfix and keeps its output in a file."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(focusfix.__file__).parents[1]),
        "OMP_NUM_THREADS": "1",
    }
    with (folder / f"{arguments[0]}-{time.monotonic_ns()}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "dask", *arguments, *LOCAL, "--no-dashboard"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            cwd=folder,
        )


@pytest.fixture(scope="module")
def cluster(tmp_path_factory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    place = folder / "scheduler.json"
    processes = [start(folder, "scheduler", "--port", "0", "--scheduler-file", str(place))]
    try:
        address = distributed.utils.json_load_robust(place, timeout=READY_WITHIN_S)["address"]
        one = ("worker", address, "--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        workers = [start(folder, *one) for _ in range(2)]
        processes += workers
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=READY_WITHIN_S)
        yield Cluster(address, workers)
    finally:
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()


@pytest.fixture
def plate(tmp_path, draw_nuclei) -> Path:
    """Four good images, and a bad one between them."""
    folder = tmp_path / "plate"
    folder.mkdir()
    for seed in range(4):
        plane = draw_nuclei((200, 180), seed=seed)
        tifffile.imwrite(folder / f"a{seed}.tif", plane, imagej=True, resolution=(2, 2))
    (folder / "a2b.tif").write_text("not an image")
    return folder


def kill_first_writer(cluster: Cluster, folder: Path) -> threading.Thread:
    """Kill one worker as soon as it has begun to write an output, before it can go on."""

    def watch() -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < deadline:
            for worker in cluster.workers:
                if list(folder.glob(f"*-{worker.pid}.partial")):
                    worker.kill()
                    return
            time.sleep(0.002)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def read_images(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.glob("*.tif")}


def test_lost_worker_loses_nothing(run_cli, cluster, plate, tmp_path, tiny_weights):
    there, here = tmp_path / "there", tmp_path / "here"
    command = ("deblur", plate, "-m", tiny_weights, "--tile-size", 128)
    report = tmp_path / "report.json"
    thread = kill_first_writer(cluster, there)
    done = run_cli(*command, "-o", there, "--scheduler", cluster.address, "--report", report)
    thread.join(timeout=1)
    assert [each.poll() for each in cluster.workers].count(-signal.SIGKILL) == 1
    alone = run_cli(*command, "-o", here)
    assert (done.code, alone.code) == (7, 7)
    assert done.out == alone.out.replace(str(here), str(there))
    assert read_images(there) == read_images(here)
    assert sorted(path.name for path in there.iterdir()) == sorted(
        path.name for path in here.iterdir()
    )
    assert f"error: {plate / 'a2b.tif'} is not a TIFF" in done.err
    assert "1 of 5 inputs failed, the others were done" in done.err
    written = json.loads(report.read_text())
    assert [record["output"] for record in written["files"]] == done.out.splitlines()
    assert written["failed"][0]["input"] == str(plate / "a2b.tif")


def test_series_of_blurs(run_cli, cluster, plate, tmp_path, monkeypatch):
    """Paths of the command line are relative to a folder that workers do not work in."""
    monkeypatch.chdir(tmp_path)
    for name in ("a2.tif", "a2b.tif", "a3.tif"):
        (plate / name).unlink()
    command = ("synthesize-blur", "plate", "--dz-um", 2, "--dz-um", 4, "--pixel-size-um", 0.5)
    done = run_cli(*command, "-o", "there", "--scheduler", cluster.address)
    alone = run_cli(*command, "-o", "here")
    assert (done.code, alone.code) == (0, 0), done.err
    assert done.out == alone.out.replace("here", "there")
    assert len(done.out.splitlines()) == 4
    assert read_images(tmp_path / "there") == read_images(tmp_path / "here")
    manifests = [(tmp_path / name / "manifest.csv").read_text() for name in ("there", "here")]
    assert manifests[0] == manifests[1]


def test_planes_of_one_zarr_are_shared_out(run_cli, cluster, tmp_path, draw_nuclei, tiny_weights):
    pytest.importorskip("zarr", reason="the extra zarr is not installed")
    stack = tmp_path / "stack.tif"
    planes = np.stack([draw_nuclei((200, 150), seed=seed) for seed in range(3)])
    tifffile.imwrite(stack, planes, imagej=True, metadata={"axes": "ZYX"})
    command = ("deblur", stack, "-m", tiny_weights)
    there, here = tmp_path / "there.zarr", tmp_path / "here.zarr"
    done = run_cli(*command, "-o", there, "--scheduler", cluster.address)
    assert (done.code, done.out) == (0, f"{there}\n"), done.err
    assert run_cli(*command, "-o", here).code == 0
    files = [
        {
            path.relative_to(folder): path.read_bytes()
            for path in folder.rglob("*")
            if path.is_file()
        }
        for folder in (there, here)
    ]
    assert files[0] == files[1]
    records = [json.loads(Path(f"{path}.focusfix.json").read_text()) for path in (there, here)]
    for record in records:
        del record["output"], record["seconds"]
    assert records[0] == records[1]
    assert not list(tmp_path.glob("*.partial"))


def test_error_of_a_single_file_is_that_of_a_local_run(run_cli, cluster, plate, tmp_path):
    command = ("synthesize-blur", plate / "a2b.tif", "--dz-um", 2, "-o", tmp_path / "out.tif")
    done = run_cli(*command, "--scheduler", cluster.address)
    alone = run_cli(*command)
    assert done.code == alone.code == 3
    assert done.err.splitlines()[-1:] == alone.err.splitlines()


def test_address_where_nobody_answers(run_cli, plate, tmp_path):
    with dask.config.set({"distributed.comm.timeouts.connect": "200ms"}):
        done = run_cli(
            "synthesize-blur", plate / "a0.tif", "--dz-um", 2, "-o", tmp_path / "out.tif",
            "--scheduler", "tcp://127.0.0.1:9",
        )  # fmt: skip
    assert done.code == 4
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in done.err


def test_address_of_another_form(run_cli, plate, tmp_path):
    done = run_cli(
        "synthesize-blur", plate / "a0.tif", "--dz-um", 2, "-o", tmp_path / "out.tif",
        "--scheduler", "localhost",
    )  # fmt: skip
    assert done.code == 2
    assert "--scheduler takes an address such as tcp://HOST:8786, not 'localhost'" in done.err
