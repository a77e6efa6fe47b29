"""Make the latent line that ships: `python benchmarks/make_latent_line.py --data DIR`.

Its content network is the default one for fluorescence, as it is; the reading of blur and the
ladder of filters are fitted in closed form or within a minute (line_fit.py), on simulated pairs
that neither network has seen. Everything is seeded; pairs that were measured are kept in the run.
"""

import argparse
from functools import partial
from pathlib import Path

import torch
from filter_fit import RingStatistics, measure_pairs
from line_fit import fit_ladder, fit_reading, radii_of_pairs
from make_weights import NUCLEI, PAIRS_BEFORE, RECIPES, zoomed
from safetensors.torch import load_file, save_file

from focusfix.config import CheckpointHeader
from focusfix.data.simulate import DefocusSimulator
from focusfix.io.checkpoint import library_versions, load_checkpoint, save_checkpoint
from focusfix.models.latent_line import LatentLine
from focusfix.models.local_wiener import LocalWiener

SEED = 2
PAIRS = 12000
CHUNK = 500
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
