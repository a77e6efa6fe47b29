"""Train the models of the papers' tables: `python benchmarks/papers/train_models.py NAME ...`.

Each model is one call of `focusfix train` with the arguments below, at a size that two processor
cores can train; a run that was stopped goes on where it was. Networks are narrower than those of
the papers, and learn for a small part of their time: `--full` takes the papers' sizes and lengths
instead, for machines with a graphics card.
"""

import argparse
from pathlib import Path
from typing import NamedTuple

from focusfix.__main__ import main as focusfix

SEED = 6
LINE = ("linear-ae-baseline", "linear-ae-indirect", "linear-ae-direct")
CODES = ("ml-vae", "manifold", "manifold-1d")
ABLATED = {
    "manifold-all-terms": None,
    **{f"manifold-no-{term}": term for term in ("cross", "contrastive", "consistency")},
}
"""The manifold model with one of its losses left out, and with all of them, equally long."""


class Small(NamedTuple):
    """How a small model is trained.

    Parameters
    ----------
    settings : tuple of str
        Hyperparameters.
    steps, samples, crop_px : int
        Steps, samples in one step, and the size of their crops.
    lesson : tuple of str
        Settings of the lesson.
    """

    settings: tuple[str, ...]
    steps: int
    samples: int
    crop_px: int
    lesson: tuple[str, ...] = ()


SMALL = {
    **dict.fromkeys(LINE, Small(("widths=[8,16,32,64,128]",), 1500, 4, 128)),
    **dict.fromkeys(CODES, Small(("widths=[8,16,32,48]",), 3000, 4, 64)),
    **dict.fromkeys(ABLATED, Small(("widths=[8,16,32,48]",), 400, 4, 64)),
    "rdn": Small(("blocks=4", "layers=4", "growth=12", "width=24"), 1000, 4, 96),
    "deepdeblur": Small(("blocks=3", "width=20"), 1000, 4, 96),
    "care-unet": Small(("base_width=16",), 1000, 4, 96),
    "multilevel-unet": Small(("base_width=8",), 1000, 4, 96),
    "comi": Small(("base_width=16", "blocks=3"), 800, 4, 64, ("critic_width=16",)),
}


def arguments_of(name: str, plate: Path, runs: Path, *, full: bool, channel: str) -> list[str]:
    """Return the arguments of focusfix for one model."""
    run = runs / name
    if (run / "config.json").exists():
        return ["train", "--resume", "-o", str(run)]
    model = "manifold" if name in ABLATED else name
    command = ["train", str(plate), "--model", model, "--channel", channel, "-o", str(run)]
    command += ["--validation-crops", "32"]
    command += ["--seed", str(SEED), "--patience", "0", "--validate-every", "400"]
    if ABLATED.get(name):
        command += ["--lesson-setting", f"{ABLATED[name]}=0"]
    if full:
        return [*command, *(["--preset", "paper"] if model in LINE else ["--epochs", "400"])]
    small = SMALL[name]
    for setting in small.settings:
        command += ["--model-setting", setting]
    for setting in small.lesson:
        command += ["--lesson-setting", setting]
    command += ["--steps", str(small.steps), "--batch-size", str(small.samples)]
    return [*command, "--crop-size", str(small.crop_px)]


def main() -> None:
    """Parse the command line and train one model after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[*SMALL], choices=[*SMALL])
    parser.add_argument("--plate", type=Path, required=True, help="a plate like BBBC006")
    parser.add_argument("--runs", type=Path, default=Path("runs/papers"))
    parser.add_argument("--channel", default="w1")
    parser.add_argument("--full", action="store_true", help="sizes and lengths of the papers")
    options = parser.parse_args()
    options.runs.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        command = arguments_of(
            name, options.plate, options.runs, full=options.full, channel=options.channel
        )
        print("focusfix", *command, flush=True)
        code = focusfix(command)
        if code:
            raise SystemExit(code)


if __name__ == "__main__":
    main()
