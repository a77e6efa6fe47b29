"""Crops per second of `focusfix train` over a bare loop that has its batch in memory.

The bare loop does forward pass, loss, backward pass and Adam, nothing else. `train` also finds,
reads, scales and cuts crops, or simulates them, shortens gradients, averages weights and keeps its
log. Both take turns of a few steps within one run, so that other programs slow both alike; each
turn gives a ratio of medians, and the median over turns is printed with the range of the middle
half. Steps that could use batches made during the other loop's turn are not counted. In processor
time, of all threads, the ratio is what it would be if nothing overlapped.

Data are LZW-compressed focal series as a plate reader writes them, kept in memory or read from
disk again for every crop, and sharp images that are blurred as they are drawn.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import tifffile
import torch
from results import add_results_option, publish, table
from timing import compare

from focusfix.data.layouts import index_data
from focusfix.data.simulate import SimulationSettings
from focusfix.models.registry import build_network, get_entry
from focusfix.runtime.device import Device, select_device
from focusfix.training.data_sources import TrainingData
from focusfix.training.fit import Batch, Trainer, count_loaders
from focusfix.training.lessons.pairs import make_batch
from focusfix.training.lessons.table import find_lesson
from focusfix.training.plan import training_precision
from focusfix.training.progress import Status
from focusfix.training.run import Run
from focusfix.training.run_folder import RunFolder
from focusfix.training.series_data import SeriesData
from focusfix.training.settings import DataPlace, RunSettings
from focusfix.training.simulated_data import SimulatedData

WANTED_RATIO = 0.9
FASTEST_MODEL = "multilevel-unet"
N_FIELDS, LEVELS, SHAPE_BLOCKS = 12, (0, 4, 8, 12, 16), (65, 87)
CACHE_BYTES = 1 << 30
STEPS_AHEAD = 2 + count_loaders()
LOADED_CROPS = 100
LOOK_S = 0.05


class Turn(NamedTuple):
    """Median seconds, and mean seconds of processor time, of a step of both loops."""

    train_s: float
    bare_s: float
    train_cpu_s: float
    bare_cpu_s: float


class Cost(NamedTuple):
    """Seconds by the clock, and of processor time of all threads."""

    seconds: float
    cpu_seconds: float

    @classmethod
    def now(cls) -> "Cost":
        """Read both clocks."""
        return cls(time.perf_counter(), time.process_time())

    def until_now(self) -> "Cost":
        """Subtract what the clocks showed before."""
        now = Cost.now()
        return Cost(now.seconds - self.seconds, now.cpu_seconds - self.cpu_seconds)


def wait_for_loaders() -> None:
    """Wait until nothing computes, so that batches made ahead are not counted with other steps."""
    before = Cost.now()
    while True:
        time.sleep(LOOK_S)
        if before.until_now().cpu_seconds < LOOK_S / 10:
            return
        before = Cost.now()


class TakeTurns:
    """A view of a run that takes steps of the bare loop after every few steps of the run."""

    def __init__(self, trainer: Trainer, batch: Batch, counted: int) -> None:
        self.trainer, self.batch, self.counted = trainer, batch, counted
        self.turns: list[Turn] = []
        self._steps: list[Cost] = []
        self._started = Cost.now()

    def show(self, status: Status) -> None:  # noqa: ARG002 - every view gets it
        """Note the time of a step; after enough of them, let the bare loop have its turn."""
        self._steps.append(self._started.until_now())
        if len(self._steps) == STEPS_AHEAD + self.counted:
            wait_for_loaders()
            trained = self._steps[STEPS_AHEAD:]
            bare = [self._bare_step() for _ in range(self.counted)]
            self.turns.append(
                Turn(
                    statistics.median(step.seconds for step in trained),
                    statistics.median(step.seconds for step in bare),
                    statistics.mean(step.cpu_seconds for step in trained),
                    statistics.mean(step.cpu_seconds for step in bare),
                )
            )
            self._steps = []
        self._started = Cost.now()

    def _bare_step(self) -> Cost:
        started = Cost.now()
        self.trainer.optimizer.zero_grad(set_to_none=True)
        loss = self.trainer.objective(self.trainer.network, self.batch)["loss"]
        loss.backward()
        self.trainer.optimizer.step()
        float(loss.detach())  # waits for the device, as every loop that shows its loss does
        return started.until_now()

    def __enter__(self) -> "TakeTurns":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass


def write_plate(folder: Path) -> None:
    """Write random structures in the layout of BBBC006, LZW-compressed 12-bit values."""
    rng = np.random.default_rng(0)
    for field in range(N_FIELDS):
        plane = np.kron(rng.random(SHAPE_BLOCKS), np.ones((8, 8)))
        for level in LEVELS:
            noisy = rng.poisson(100 + 800 * plane**3 * (16 + level) / 32).astype(np.uint16)
            path = folder / f"BBBC006_v1_images_z_{level:02d}" / f"p_a{field + 1:02d}_s1_w1.tif"
            path.parent.mkdir(exist_ok=True)
            tifffile.imwrite(path, noisy, compression="lzw")


def write_sharp_images(folder: Path) -> None:
    """Write random structures as sharp images."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(4):
        plane = np.kron(rng.random(SHAPE_BLOCKS), np.ones((8, 8))) ** 3
        tifffile.imwrite(folder / f"{number}.tif", (255 * plane).astype(np.uint8))


def make_settings(options: argparse.Namespace, device: Device) -> RunSettings:
    """Complete the settings of a run that validates and saves only at its end."""
    network = build_network(options.model, {})
    steps = (1 + options.turns) * (STEPS_AHEAD + options.steps)
    return RunSettings(
        data=DataPlace(path="benchmark"),
        model=options.model,
        hyperparameters=network.hyperparameters,
        loss=find_lesson(get_entry(options.model)).losses[0],
        steps=steps,
        batch_size=options.batch_size,
        crop_size=options.crop_size,
        precision=training_precision(device),
        validate_every=steps,
        validation_share=0.0,
        test_share=0.0,
        simulation=SimulationSettings(crop_px=options.crop_size, optics_bank=50),
    )


def run_both(
    data: TrainingData, settings: RunSettings, folder: RunFolder, device: Device, counted: int
) -> list[Turn]:
    """Run `train` and the bare loop in turns; the first turn, which starts up, is left out."""
    folder.start(settings, data.split_table)
    trainer = Run(data, settings, folder, device).trainer
    trainer.network.train()
    batch = make_batch(data.train, 0, settings.batch_size)
    view = TakeTurns(trainer, Batch(*(part.to(device.name) for part in batch)), counted)
    Run(data, settings, folder, device).train(view)
    return view.turns[1:]


def time_loading(data: TrainingData) -> float:
    """Return the processor seconds that a crop takes one thread when nothing else is done."""
    make_batch(data.train, 0, 1)
    started = Cost.now()
    make_batch(data.train, 1, LOADED_CROPS)
    return started.until_now().cpu_seconds / LOADED_CROPS


def report(kind: str, turns: list[Turn], loading_s: float, batch_size: int) -> list[str]:
    """Write crops per second of both loops and their ratios as a row of the table."""
    train, bare, train_cpu, bare_cpu = zip(*turns, strict=True)
    rates = [f"{batch_size / statistics.median(each):.2f}" for each in (train, bare)]
    ratios = compare(bare, train), compare(bare_cpu, train_cpu)
    return [kind, *rates, *map(str, ratios), f"{1e3 * loading_s:.1f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--model", default=FASTEST_MODEL, help="a slow network hides slow loading")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--turns", type=int, default=4, help="turns that each loop takes")
    parser.add_argument("--steps", type=int, default=4, help="steps of a turn that are counted")
    parser.add_argument("--batch-size", type=int, default=8, help="as of train")
    parser.add_argument("--crop-size", type=int, default=128)
    add_results_option(parser)
    options = parser.parse_args()
    device = select_device(options.device)
    settings = make_settings(options, device)
    facts = (
        f"{settings.model} on {device.name} in {settings.precision}, batches of "
        f"{settings.batch_size} crops of {settings.crop_size} px, {torch.get_num_threads()} "
        f"threads, {count_loaders()} more for loading, {options.turns} turns of "
        f"{options.steps} steps."
    )
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plate").mkdir()
        write_plate(folder / "plate")
        write_sharp_images(folder / "sharp")
        index = index_data(folder / "plate")
        sources: dict[str, TrainingData] = {
            "focal series in memory": SeriesData(index, settings, cache_bytes=CACHE_BYTES),
            "focal series on disk": SeriesData(index, settings, cache_bytes=0),
            "simulated defocus": SimulatedData(folder / "sharp", settings),
        }
        for kind, data in sources.items():
            run_folder = RunFolder(folder / "run")
            turns = run_both(data, settings, run_folder, device, options.steps)
            rows.append(report(kind, turns, time_loading(data), settings.batch_size))
            data.close()
    head = (
        "data", "train, crops/s", "bare loop", "ratio", "ratio in processor time",
        "loading a crop, ms of processor time",
    )  # fmt: skip
    lines = [facts, "", *table(head, rows), "", f"Wanted: a ratio of at least {WANTED_RATIO}."]
    figures = {
        f"{row[0]}: {name}": float(row[place].partition(" ")[0])
        for row in rows
        for place, name in ((3, "ratio"), (4, "ratio in processor time"))
    }
    publish(options.results, "Training", "python benchmarks/bench_training.py", lines, figures)


if __name__ == "__main__":
    main()
