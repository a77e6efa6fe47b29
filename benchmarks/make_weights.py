"""Train the weights that ship: `python benchmarks/make_weights.py NAME --data DIR`.

Sharp images are taken from DIR/sharp, defocus is simulated on the fly, and test files (by the
hash of their names, see focusfix.data.sharp_images.split_of) are never seen. Everything is
seeded; a run that is stopped goes on where it was. The linear part of a Wiener U-Net is fitted
first (filter_fit.py) and left as it is while the U-Net behind it is trained.
"""

import argparse
import csv
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from bench_quality import network_restorer
from filter_fit import RingStatistics, filter_fields, fit_filters, measure_pairs
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from focusfix.config import CheckpointHeader
from focusfix.data.screening import screening_pair
from focusfix.data.sharp_images import SharpImage, keep_in_focus, read_sharp_images, split_of
from focusfix.data.simulate import DefocusSimulator, SimulationSettings
from focusfix.io.checkpoint import library_versions, load_checkpoint, save_checkpoint
from focusfix.losses import multi_scale_loss, tempered_error_loss
from focusfix.models.base import Restorer, cut_margin
from focusfix.models.registry import build_network
from focusfix.models.wiener_unet import WienerUNet
from focusfix.training.fit import STATE_NAME, Batch, FitSettings, Trainer, prefetch

CROP_PX = 160
EDGE_PX = 16
FILTER_EPOCHS = 30
FILTERS_NAME = "filters.safetensors"
PAIRS_BEFORE = 10**9
"""The filters are fitted to pairs with numbers from here on, which the U-Net never sees."""


WeighedPlane = tuple[SharpImage, float]


@dataclass(frozen=True)
class Recipe:
    """How one file of weights is made."""

    model: str
    modality: str
    summary: str
    sources: str
    planes: Callable[[Path], list[WeighedPlane]]
    simulation: SimulationSettings
    fit: FitSettings
    batch_size: int
    filter_pairs: int = 0
    start_from: str | None = None


def fluorescence_planes(folder: Path) -> list[WeighedPlane]:
    """Read the training planes of sharp fluorescence images, with how often each is drawn."""
    nuclei = [p for p in sorted((folder / "fluorescence").glob("*.png")) if split_of(p) == "train"]
    kept = keep_in_focus(read_sharp_images(nuclei), drop_share=0.15)
    share = {(520, 696): 0.45, (256, 256): 0.22, (360, 360): 0.12}
    count = {size: sum(i.plane.shape == size for i in kept) for size in share}
    planes = [(i, share.get(i.plane.shape, 0.002) / count.get(i.plane.shape, 1)) for i in kept]
    others = read_sharp_images(sorted((folder / "other").glob("*.tif")))
    return planes + [(i, 0.18 / len(others)) for i in others]


def brightfield_planes(folder: Path) -> list[WeighedPlane]:
    """Read the colour planes of stained tissue, all drawn alike."""
    paths = [p for p in sorted((folder / "brightfield").glob("*.png")) if split_of(p) == "train"]
    kept = keep_in_focus(read_sharp_images(paths, absorbing=True), drop_share=0.15)
    return [(image, 1.0) for image in kept]


NUCLEI = (
    "BBBC038 nuclei (CC0), structures from BioImageAnalysisNotebooks and NEUBIAS (CC-BY) and "
    "ndev-sampledata (BSD-3), with simulated defocus"
)
FLUORESCENCE = SimulationSettings(crop_px=192)
RECIPES = {
    "fluorescence": Recipe(
        model="wiener-unet",
        modality="fluorescence",
        summary="Wide-field fluorescence, in focus to 36 um out of focus at 20x",
        sources=NUCLEI,
        planes=fluorescence_planes,
        simulation=FLUORESCENCE,
        fit=FitSettings(steps=6500, learning_rate=1.5e-3),
        batch_size=8,
        filter_pairs=30000,
    ),
    "brightfield": Recipe(
        model="wiener-unet",
        modality="brightfield",
        summary="Bright-field of stained samples, gray or RGB",
        sources="BBBC038 stained tissue (CC0) with simulated defocus, after fluorescence",
        planes=brightfield_planes,
        simulation=SimulationSettings(
            crop_px=192,
            brightfield=True,
            screening_share=0.0,
            haze_share=0.0,
            max_blur_radius_px=20.0,
            peak_electrons=(3000.0, 30000.0),
        ),
        fit=FitSettings(steps=1000, learning_rate=1e-3),
        batch_size=8,
        filter_pairs=8000,
        start_from="fluorescence",
    ),
    "multilevel-unet": Recipe(
        model="multilevel-unet",
        modality="fluorescence",
        summary="Four-level U-Net of Wang & Han, for comparison",
        sources=NUCLEI,
        planes=fluorescence_planes,
        simulation=FLUORESCENCE,
        fit=FitSettings(steps=2000, learning_rate=1e-3),
        batch_size=8,
    ),
}


def zoomed(planes: list[WeighedPlane]) -> tuple[list[np.ndarray], list[float]]:
    """Add each plane at 0.7 times its size: other magnifications, and less of the camera noise."""
    from skimage.transform import rescale

    images, weights = [], []
    for image, weight in planes:
        images += [image.plane, rescale(image.plane, 0.7, anti_aliasing=True).astype(np.float32)]
        weights += [0.65 * weight, 0.35 * weight]
    return images, weights


def batch_of(simulator: DefocusSimulator, batch_size: int, step: int) -> Batch:
    """Draw the batch of one step: whole periodic fields, from which objectives cut crops."""
    pairs = [simulator.periodic_pair(step * batch_size + i) for i in range(batch_size)]
    inputs = np.stack([p.out_of_focus for p in pairs])[:, None]
    targets = np.stack([p.in_focus for p in pairs])[:, None]
    return Batch(torch.from_numpy(inputs), torch.from_numpy(targets))


def middle(fields: Tensor, side: int) -> Tensor:
    """Cut the middle of square fields."""
    return cut_margin(fields, (fields.shape[-1] - side) // 2)


def finishing_objective(network: WienerUNet, batch: Batch) -> Tensor:
    """Error of what the U-Net makes of fields that the fitted filters have seen."""
    with torch.no_grad():
        filtered, code = filter_fields(network.filters, batch.inputs)
        images = middle(torch.cat([batch.inputs, filtered], dim=1), CROP_PX)
        images = images.contiguous(memory_format=torch.channels_last)
        cells = CROP_PX // network.filters.hop_px
    output = images[:, 1:2] + network.finish(images, code.expand(-1, -1, cells, cells))
    kept = CROP_PX - 2 * EDGE_PX
    return tempered_error_loss(middle(output, kept), middle(batch.targets, kept))


def plain_objective(network: nn.Module, batch: Batch) -> Tensor:
    """Error at every size, finest first."""
    crops = middle(batch.inputs, CROP_PX).contiguous(memory_format=torch.channels_last)
    outputs = network.training_outputs(crops)
    return multi_scale_loss(outputs, middle(batch.targets, CROP_PX))


def prepare(network: nn.Module, simulator: DefocusSimulator, count: int, run: Path) -> None:
    """Fit the filters of a Wiener U-Net, or read those the run has fitted, and freeze them."""
    if not isinstance(network, WienerUNet):
        return
    path = run / FILTERS_NAME
    if not path.exists():
        chunk, rows = 1000, []
        for first in range(0, count, chunk):
            indices = range(PAIRS_BEFORE + first, PAIRS_BEFORE + first + chunk)
            rows.append(measure_pairs(simulator, network.filters, indices))
            print(f"{first + chunk} of {count} pairs measured", flush=True)
        statistics = RingStatistics(*(torch.cat(column) for column in zip(*rows, strict=True)))
        fit_filters(
            network.filters,
            statistics,
            field_px=simulator.field_px,
            epochs=FILTER_EPOCHS,
            report=partial(print, flush=True),
        )
        save_file({k: v.clone() for k, v in network.filters.state_dict().items()}, str(path))
    network.filters.load_state_dict(load_file(str(path)))


def train(name: str, data: Path, run: Path, output: Path, threads: int) -> None:
    """Train one file of weights, resuming what RUN holds."""
    recipe = RECIPES[name]
    seed = 1
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    network = build_network(recipe.model, {})
    if recipe.start_from:
        started_from, _ = load_checkpoint(output.with_name(f"{recipe.start_from}.safetensors"))
        network.load_state_dict(started_from.state_dict())
    network.to(memory_format=torch.channels_last)
    run.mkdir(parents=True, exist_ok=True)
    images, weights = zoomed(recipe.planes(data / "sharp"))
    simulator = DefocusSimulator(images, weights, recipe.simulation, seed)
    prepare(network, simulator, recipe.filter_pairs, run)
    objective = finishing_objective if isinstance(network, WienerUNet) else plain_objective
    trainer = Trainer(network, objective, recipe.fit)
    if (run / STATE_NAME).exists():
        trainer.load_state(run / STATE_NAME)
    print(f"{len(images)} planes, from step {trainer.step}", flush=True)
    fields = validation_fields(recipe, data / "sharp")
    source = partial(batch_of, simulator, recipe.batch_size)
    started, losses = time.perf_counter(), []
    with (run / "log.csv").open("a", newline="") as log:
        rows = csv.writer(log)
        for batch in prefetch(source, trainer.step, recipe.fit.steps):
            losses.append(trainer.learn(batch))
            if trainer.step % 100 == 0:
                pace = len(losses) * recipe.batch_size / (time.perf_counter() - started)
                rows.writerow([trainer.step, f"{np.mean(losses):.4f}", f"{pace:.2f}"])
                log.flush()
                print(trainer.step, f"{np.mean(losses):.4f}, {pace:.1f} crops/s", flush=True)
                started, losses = time.perf_counter(), []
            if trainer.step % 500 == 0 or trainer.step == recipe.fit.steps:
                trainer.save_state(run / STATE_NAME)
                export(trainer, recipe, seed, output)
            if trainer.step % 1000 == 0 and fields:
                print("gain on validation fields:", validate(trainer, recipe, fields), flush=True)


def validation_fields(recipe: Recipe, folder: Path) -> list[np.ndarray]:
    """Read two fields that are neither trained on nor tested; none for absorbing samples."""
    if recipe.simulation.brightfield:
        return []
    paths = sorted((folder / "fluorescence").glob("*.png"))
    images = read_sharp_images(p for p in paths if split_of(p) == "validation")
    kept = keep_in_focus(images, drop_share=0.8)
    return [image.plane[:256, :256] for image in kept][:2]


def validate(trainer: Trainer, recipe: Recipe, fields: list[np.ndarray]) -> dict[int, float]:
    """Return the mean gain in PSNR over doing nothing, per distance from focus; dB."""
    restore = network_restorer(averaged_network(trainer, recipe))
    gains = {}
    for dz in (0, 4, 10, 16, 22, 28, 34):
        found = []
        for number, plane in enumerate(fields):
            blurry, truth = screening_pair(plane, dz, seed=number)
            before, after = (np.square(i - truth).mean() for i in (blurry, restore(blurry)))
            found.append(10 * math.log10(before / after))
        gains[dz] = round(float(np.mean(found)), 2)
    return gains


def averaged_network(trainer: Trainer, recipe: Recipe) -> Restorer:
    """Build the network that ships: the one with averaged weights."""
    network = build_network(recipe.model, {})
    network.load_state_dict(trainer.average)
    return network.eval()


def export(trainer: Trainer, recipe: Recipe, seed: int, output: Path) -> None:
    """Write the averaged weights with their header."""
    network = averaged_network(trainer, recipe)
    header = CheckpointHeader(
        model=recipe.model,
        hyperparameters=network.hyperparameters,
        abilities=("deblur",),
        modality=recipe.modality,
        pixel_size_um=(0.15, 2.0),
        numerical_aperture=(0.3, 1.2),
        blur_radius_px=(0.0, recipe.simulation.max_blur_radius_px),
        trained_on=recipe.sources,
        licence="BSD-3-Clause",
        seed=seed,
        steps=trainer.step,
        versions=library_versions(),
        summary=recipe.summary,
    )
    save_checkpoint(output, network, header)


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/weights"))
    parser.add_argument("--output", type=Path, default=Path("weights"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    run = options.runs / options.name
    output = options.output / f"{options.name}.safetensors"
    train(options.name, options.data, run, output, options.threads)


if __name__ == "__main__":
    main()
