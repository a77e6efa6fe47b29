"""Train a refocuser that ships: `python benchmarks/make_refocus.py refocus --data DIR`.

One call of `focusfix train` with the arguments below, on simulated planes up to 10 um out of focus
of one microscope; a run that was stopped goes on where it was. Files that other weights are tested
on (focusfix.data.sharp_images.split_of) are left out: `train` divides the others as it likes. The
step with the best validation is written into the folder of weights, with the licence and the
summary of what ships.
"""

import argparse
from pathlib import Path

from make_weights import NUCLEI

from focusfix.__main__ import main as focusfix
from focusfix.data.sharp_images import split_of
from focusfix.io.checkpoint import load_checkpoint, save_checkpoint
from focusfix.models.registry import get_entry
from focusfix.optics import OpticsSettings

RANGE_UM = 10.0
OPTICS = OpticsSettings(numerical_aperture=0.6, wavelength_um=0.52, pixel_size_um=0.65)
RECIPES = {
    "refocus": ("base_width=12", "depth=3", "sign=focus", 4000),
    "refocus-multi": ("base_width=8", "depth=3", None, 1600),
}
SUMMARIES = {
    "refocus": "Makes the plane at a chosen distance, up to 10 um, of one image",
    "refocus-multi": "Makes a plane between or beside one to three others, up to 10 um away",
}


def link_images(data: Path, folder: Path) -> Path:
    """Make a folder of all sharp images but those of the test share."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((data / "sharp" / "fluorescence").glob("*.png")):
        link = folder / path.name
        if split_of(path) != "test" and not link.exists():
            link.symlink_to(path.resolve())
    return folder


def arguments_of(name: str, images: Path, run: Path) -> list[str]:
    """Return the arguments of focusfix."""
    if (run / "config.json").exists():
        return ["train", "--resume", "-o", str(run)]
    *settings, steps = RECIPES[name]
    command = ["train", str(images), "--simulate", "--model", name]
    command += ["--modality", "fluorescence", "--max-defocus-um", f"{RANGE_UM:g}"]
    command += ["--numerical-aperture", str(OPTICS.numerical_aperture)]
    command += ["--wavelength-um", str(OPTICS.wavelength_um)]
    command += ["--pixel-size-um", str(OPTICS.pixel_size_um)]
    for setting in (*settings, f"range_um={RANGE_UM:g}"):
        command += ["--model-setting", str(setting)] if setting else []
    command += ["--lesson-setting", "adversarial_weight=0", "--learning-rate", "0.002"]
    command += ["--crop-size", "64", "--batch-size", "8", "--steps", str(steps)]
    command += ["--validate-every", "240", "--patience", "0", "--licence", "CC0-1.0"]
    return [*command, "--device", "cpu", "-o", str(run)]


def main() -> None:
    """Parse the command line, train, write the weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=RECIPES)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, default=Path("runs/weights"))
    parser.add_argument("--output", type=Path, default=Path("weights"))
    options = parser.parse_args()
    run = options.runs / options.name
    images = link_images(options.data, options.runs / "images")
    if code := focusfix(arguments_of(options.name, images, run)):
        raise SystemExit(code)
    network, header = load_checkpoint(run / "best.safetensors")
    changes = {
        "abilities": tuple(sorted(get_entry(options.name).abilities)),
        "summary": SUMMARIES[options.name],
        "trained_on": NUCLEI,
        "licence": "BSD-3-Clause",
    }
    save_checkpoint(
        options.output / f"{options.name}.safetensors", network, header.model_copy(update=changes)
    )


if __name__ == "__main__":
    main()
