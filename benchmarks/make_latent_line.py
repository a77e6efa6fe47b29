"""Make the latent line that ships: `python benchmarks/make_latent_line.py --data DIR`.

Its content network is the default one for fluorescence, as it is; the reading of blur and the
ladder of filters are fitted in closed form or within a minute (line_fit.py), on simulated pairs
that neither network has seen. Everything is seeded; pairs that were measured are kept in the run.
"""

import argparse
from functools import partial
from pathlib import Path

import numpy as np
import torch
from filter_fit import RingStatistics, measure_pairs
from line_fit import fit_ladder, fit_reading, fit_spacing, radii_of_pairs
from make_weights import NUCLEI, PAIRS_BEFORE, RECIPES, zoomed
from safetensors.torch import load_file, save_file

from focusfix.config import CheckpointHeader
from focusfix.data.screening import screening_pair
from focusfix.data.simulate import DefocusSimulator
from focusfix.engine.normalize import fit_intensity_scale
from focusfix.io.checkpoint import library_versions, load_checkpoint, save_checkpoint
from focusfix.models.latent_line import LatentLine
from focusfix.models.local_wiener import LocalWiener
from focusfix.optics import OpticsSettings

SEED = 2
PAIRS = 12000
CHUNK = 500
SERIES = 24
LEVELS = 9
FIELD_SHAPE = (520, 696)
STARTED_FROM = "fluorescence"


def measured(simulator: DefocusSimulator, layer: LocalWiener, run: Path) -> RingStatistics:
    """Measure pairs, or read those that the run has measured."""
    rows = []
    run.mkdir(parents=True, exist_ok=True)
    for first in range(PAIRS_BEFORE, PAIRS_BEFORE + PAIRS, CHUNK):
        path = run / f"pairs_{first - PAIRS_BEFORE:06d}.safetensors"
        if not path.exists():
            found = measure_pairs(simulator, layer, range(first, first + CHUNK))
            save_file(found._asdict(), str(path))
            print(f"{first - PAIRS_BEFORE + CHUNK} of {PAIRS} pairs measured", flush=True)
        rows.append(RingStatistics(**load_file(str(path))))
    return RingStatistics(*(torch.cat(column) for column in zip(*rows, strict=True)))


def draw_optics(rng: np.random.Generator) -> OpticsSettings:
    """Draw a 20x screening microscope."""
    return OpticsSettings(
        numerical_aperture=rng.uniform(0.45, 0.75),
        wavelength_um=rng.uniform(0.44, 0.52),
        pixel_size_um=0.65,
        apodization=rng.choice([0.0, rng.uniform(0, 1.5)]),
    )


def read_series(network: LatentLine, planes: list[np.ndarray]) -> torch.Tensor:
    """Read the blur of series of levels, from in focus to 32 um out of it; shape (F, 9)."""
    rng, series = np.random.default_rng(SEED), []
    for number, plane in enumerate(planes):
        optics = draw_optics(rng)
        seeds = range(100 * number, 100 * number + LEVELS)
        steps = [
            screening_pair(plane, 32 * level / (LEVELS - 1), seed=seed, optics=optics)
            for level, seed in enumerate(seeds)
        ]
        scale = fit_intensity_scale([step.out_of_focus for step in steps])
        with torch.inference_mode():
            images = (scale.apply(step.out_of_focus)[:512, :672] for step in steps)
            batches = (torch.from_numpy(image.copy())[None, None] for image in images)
            series.append([float(network.read_blur(image)[0].mean()) for image in batches])
    return torch.tensor(series)


def main() -> None:
    """Parse the command line, fit, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/weights"))
    parser.add_argument("--output", type=Path, default=Path("weights"))
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(SEED)
    recipe = RECIPES[STARTED_FROM]
    content, started_from = load_checkpoint(options.output / f"{STARTED_FROM}.safetensors")
    network = LatentLine(**content.hyperparameters)
    network.content.load_state_dict(content.state_dict())
    images, weights = zoomed(recipe.planes(options.data / "sharp"))
    simulator = DefocusSimulator(images, weights, recipe.simulation, SEED)
    statistics = measured(simulator, network.content.filters, options.runs / "latent-line")
    radii = radii_of_pairs(simulator, range(PAIRS_BEFORE, PAIRS_BEFORE + PAIRS))
    say = partial(print, flush=True)
    fit_reading(network.reading, network.content.filters, statistics, radii, say)
    fit_ladder(network.ladder, statistics, radii, simulator.field_px)
    fields = [image.plane for image, _ in recipe.planes(options.data / "sharp")]
    fields = [plane for plane in fields if plane.shape == FIELD_SHAPE]
    network.spacing.copy_(
        fit_spacing(read_series(network.eval(), fields[:: len(fields) // SERIES]))
    )
    say(f"spacing: {[round(float(each), 1) for each in network.spacing]}")
    header = CheckpointHeader(
        model="latent-line",
        hyperparameters=network.hyperparameters,
        abilities=("deblur", "synthesize-blur", "interpolate"),
        modality="fluorescence",
        pixel_size_um=started_from.pixel_size_um,
        numerical_aperture=started_from.numerical_aperture,
        blur_radius_px=started_from.blur_radius_px,
        trained_on=NUCLEI,
        licence="BSD-3-Clause",
        seed=SEED,
        steps=started_from.steps,
        versions=library_versions(),
        summary="A line from sharp to blurred: deblurs, synthesises any blur, tells blur radii",
    )
    save_checkpoint(options.output / "latent-line.safetensors", network.eval(), header)


if __name__ == "__main__":
    main()
