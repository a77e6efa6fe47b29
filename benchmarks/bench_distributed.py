"""Speed-up of `focusfix deblur --scheduler` with two one-thread workers over one.

A Dask scheduler with one worker and another with two stay up for the whole run, all on this
machine, and take turns on the same folder; the cluster that waits is suspended, since heartbeats
take processor time. The speed-up is taken within each round: by the clock, and by the processor
time of the busiest worker, which other programs disturb less.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tifffile
from results import add_options, publish, table
from timing import Ratio, compare

from focusfix.__main__ import main as focusfix

if TYPE_CHECKING:
    import psutil

WANTED_SPEED_UP = 1.8
SETTINGS = {
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__ADMIN__TICK__INTERVAL": "500ms",
    "DASK_DISTRIBUTED__WORKER__MEMORY__MONITOR_INTERVAL": "1s",
}
"""What docs/howto/cluster.md advises to set for scheduler and workers."""

TITLE = "Two workers over one"
READY_WITHIN_S = 120


@dataclass(frozen=True)
class Cluster:
    """A scheduler and its one-thread workers."""

    address: str
    scheduler: "psutil.Process"
    workers: "tuple[psutil.Process, ...]"

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Let its processes sleep."""
        processes = (*self.workers, self.scheduler)
        for each in processes:
            each.suspend()
        try:
            yield
        finally:
            for each in reversed(processes):
                each.resume()

    def processor_times(self) -> np.ndarray:
        """Processor time that each worker has used so far; seconds."""
        return np.array([sum(worker.cpu_times()[:2]) for worker in self.workers])


@contextmanager
def start_cluster(folder: Path, n_workers: int, settings: dict[str, str]) -> Iterator[Cluster]:
    """Start the processes, and wait until all workers are known to the scheduler."""
    import psutil
    from distributed import Client
    from distributed.utils import json_load_robust

    folder.mkdir()
    place = folder / "scheduler.json"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", **settings}
    with ExitStack() as stack:

        def start(*arguments: str) -> psutil.Process:
            command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1"]
            process = subprocess.Popen(
                [*command, "--no-dashboard"],
                cwd=folder,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            stack.callback(process.wait)
            stack.callback(process.kill)
            return psutil.Process(process.pid)

        scheduler = start("scheduler", "--port", "0", "--scheduler-file", str(place))
        address = json_load_robust(place, timeout=READY_WITHIN_S)["address"]
        one = ("worker", address, "--nthreads", "1", "--no-nanny", "--local-directory", str(folder))
        workers = tuple(start(*one) for _ in range(n_workers))
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(n_workers, timeout=READY_WITHIN_S)
        yield Cluster(address, scheduler, workers)


def write_images(folder: Path, count: int, side: int) -> None:
    """Write blurred random structures."""
    random = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        coarse = np.kron(random.random((side // 16, side // 16)), np.ones((16, 16)))
        plane = random.poisson(100 + 900 * coarse**3).astype(np.uint16)
        tifffile.imwrite(folder / f"{number:03d}.tif", plane, imagej=True)


def deblur(cluster: Cluster, images: Path, output: Path, model: str) -> tuple[float, float]:
    """Deblur the folder; return seconds by the clock, and of the busiest worker's processor."""
    command = ["deblur", images, "-o", output, "-m", model, "--overwrite", "--device", "cpu"]
    before, started = cluster.processor_times(), time.perf_counter()
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as told:
        code = focusfix([*map(str, command), "--scheduler", cluster.address])
    seconds = time.perf_counter() - started
    if code:
        raise SystemExit(told.getvalue())
    return seconds, float((cluster.processor_times() - before).max())


def measure(options: argparse.Namespace) -> tuple[Ratio, Ratio, list[list[float]]]:
    """Let both clusters take turns; return both speed-ups, and seconds of every round."""
    rounds: list[list[float]] = []
    settings = {} if options.plain_dask else SETTINGS
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        write_images(folder / "images", options.images, options.side)
        one, two = (
            stack.enter_context(start_cluster(folder / f"cluster{count}", count, settings))
            for count in (1, 2)
        )
        for number in range(options.warm_up + options.repeats):
            times: list[float] = []
            for cluster, other in ((one, two), (two, one)):
                with other.suspended():
                    times += deblur(cluster, folder / "images", folder / "out", options.model)
            if number >= options.warm_up:
                rounds.append(times)
    by_one, by_one_cpu, by_two, by_two_cpu = zip(*rounds, strict=True)
    return compare(by_one, by_two), compare(by_one_cpu, by_two_cpu), rounds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--side", type=int, default=512, help="of the images; pixels")
    parser.add_argument("--model", default="fluorescence")
    parser.add_argument(
        "--plain-dask", action="store_true", help="without the settings of docs/howto/cluster.md"
    )
    add_options(parser, repeats=3)
    options = parser.parse_args()
    if find_spec("distributed") is None:
        print(f"{TITLE}: left out, since focusfix[distributed] is not installed")
        return
    by_clock, by_processor, rounds = measure(options)
    one, one_cpu, two, two_cpu = np.median(rounds, axis=0)
    reached = "reached" if by_clock.median >= WANTED_SPEED_UP else "NOT reached"
    rows = [
        ["one worker", f"{one:.2f}", f"{one_cpu:.2f}"],
        ["two workers", f"{two:.2f}", f"{two_cpu:.2f}"],
        ["speed-up", str(by_clock), str(by_processor)],
    ]
    lines = [
        (
            f"{options.images} images of {options.side} x {options.side} pixels, "
            f"`{options.model}`, one thread a worker, {os.cpu_count()} processors; Dask "
            f"{'as it comes' if options.plain_dask else 'set as docs/howto/cluster.md advises'}."
        ),
        "",
        *table(["", "seconds", "processor seconds of the busiest worker"], rows),
        "",
        f"Wanted: a speed-up of at least {WANTED_SPEED_UP} by the clock: {reached}.",
    ]
    figures = {"by clock": by_clock.median, "by processor time": by_processor.median}
    command = f"python benchmarks/bench_distributed.py{' --plain-dask' * options.plain_dask}"
    publish(options.results, TITLE, command, lines, figures)


if __name__ == "__main__":
    main()
