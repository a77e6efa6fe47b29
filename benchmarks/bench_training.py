"""Crops per second of `focusfix train` over a bare loop that has its batch in memory.

The ratio is what finding, reading, scaling and cutting crops, and keeping the log, cost. Both
loops take turns in short blocks, and medians over steps are compared, because other programs may
be running. Data are LZW-compressed focal series as a plate reader writes them, and sharp images
that are blurred as they are drawn.
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path
from types import TracebackType

import numpy as np
import tifffile
import torch

from focusfix.data.layouts import index_data
from focusfix.data.simulate import SimulationSettings
from focusfix.models.registry import build_network, get_entry
from focusfix.runtime.device import Device, select_device
from focusfix.training.data_sources import TrainingData, make_batch
from focusfix.training.progress import Status
from focusfix.training.recipes import find_recipe
from focusfix.training.run import Run
from focusfix.training.run_folder import RunFolder
from focusfix.training.series_data import SeriesData
from focusfix.training.settings import DataPlace, RunSettings
from focusfix.training.simulated_data import SimulatedData

WANTED_RATIO = 0.9
N_FIELDS, LEVELS, SHAPE = 6, (0, 4, 8, 12, 16), (520, 696)
CACHE_BYTES = 1 << 30


class StepTimes:
    """A view that notes how long each step takes."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def show(self, status: Status) -> None:
        self.moments.append(time.perf_counter())

    def __enter__(self) -> "StepTimes":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        pass

    def seconds(self) -> list[float]:
        """Return the times of all steps but the first, which starts up, and the last, which saves."""
        return list(np.diff(self.moments)[:-1])


def write_plate(folder: Path) -> None:
    """Write random structures in the layout of BBBC006, LZW-compressed 12-bit values."""
    rng = np.random.default_rng(0)
    for field in range(N_FIELDS):
        plane = np.kron(rng.random((65, 87)), np.ones((8, 8)))
        for level in LEVELS:
            noisy = rng.poisson(100 + 800 * plane**3 * (16 + level) / 32).astype(np.uint16)
            path = folder / f"BBBC006_v1_images_z_{level:02d}" / f"p_a{field + 1:02d}_s1_w1.tif"
            path.parent.mkdir(exist_ok=True)
            tifffile.imwrite(path, noisy, compression="lzw")


def write_sharp_images(folder: Path) -> None:
    rng = np.random.default_rng(0)
    folder.mkdir()
    for number in range(4):
        plane = np.kron(rng.random((65, 87)), np.ones((8, 8))) ** 3
        tifffile.imwrite(folder / f"{number}.tif", (255 * plane).astype(np.uint8))


def make_settings(model: str, steps: int, batch_size: int, crop_px: int) -> RunSettings:
    network = build_network(model, {})
    return RunSettings(
        data=DataPlace(path="benchmark"),
        model=model,
        hyperparameters=network.hyperparameters,
        loss=find_recipe(get_entry(model)).loss,
        steps=steps,
        batch_size=batch_size,
        crop_size=crop_px,
        validate_every=steps + 1,
        validation_share=0.0,
        test_share=0.0,
        simulation=SimulationSettings(crop_px=crop_px, optics_bank=50),
    )


def time_run(
    data: TrainingData, settings: RunSettings, folder: Path, device: Device
) -> list[float]:
    """Time the steps of one short run of `train`."""
    run_folder = RunFolder(folder)
    run_folder.start(settings, data.split_table)
    times = StepTimes()
    Run(data, settings, run_folder, device).train(times)
    return times.seconds()


def time_bare(
    data: TrainingData, settings: RunSettings, folder: Path, device: Device
) -> list[float]:
    """Time as many steps on one batch that stays in memory."""
    trainer = Run(data, settings, RunFolder(folder), device).trainer
    batch = make_batch(data.train, 0, settings.batch_size)
    seconds = []
    for _ in range(settings.steps):
        started = time.perf_counter()
        trainer.learn(batch)
        seconds.append(time.perf_counter() - started)
    return seconds[1:-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="wiener-unet")
    parser.add_argument("--blocks", type=int, default=4, help="turns that each loop takes")
    parser.add_argument("--steps", type=int, default=6, help="steps of a turn")
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--crop-size", type=int, default=128)
    options = parser.parse_args()
    settings = make_settings(options.model, options.steps, options.batch_size, options.crop_size)
    device = select_device("cpu")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plate").mkdir()
        write_plate(folder / "plate")
        write_sharp_images(folder / "sharp")
        index = index_data(folder / "plate")
        sources: dict[str, TrainingData] = {
            "focal series": SeriesData(index, settings, cache_bytes=CACHE_BYTES),
            "simulated defocus": SimulatedData(folder / "sharp", settings),
        }
        bare: list[float] = []
        timed: dict[str, list[float]] = {name: [] for name in sources}
        for _ in range(options.blocks):
            bare += time_bare(sources["focal series"], settings, folder / "run", device)
            for kind, data in sources.items():
                timed[kind] += time_run(data, settings, folder / "run", device)
        for data in sources.values():
            data.close()
    report(bare, timed, settings)


def report(bare: list[float], timed: dict[str, list[float]], settings: RunSettings) -> None:
    """Print crops per second of all loops."""
    bare_s = statistics.median(bare)
    print(
        f"{settings.model}, batches of {settings.batch_size} crops of {settings.crop_size} px, "
        f"{torch.get_num_threads()} threads, medians of {len(bare)} steps"
    )
    print(f"bare loop, batch in memory:   {settings.batch_size / bare_s:6.2f} crops/s")
    for kind, seconds in timed.items():
        step_s = statistics.median(seconds)
        print(
            f"train, {kind + ':':<22} {settings.batch_size / step_s:6.2f} crops/s, "
            f"ratio {bare_s / step_s:.2f} (wanted: at least {WANTED_RATIO})"
        )


if __name__ == "__main__":
    main()
