"""What number format and runtime do to the result: PSNR against the truth, beside that of fp32.

`focusfix deblur` restores the sample of the repository with torch in fp32, with what it takes by
itself, in bf16, and with OpenVINO. A processor without instructions for bf16 rounds to it all the
same, only slowly, so that the accuracy of bf16 is measured on every machine.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile
from results import add_results_option, publish, table

from focusfix.metrics.fidelity import psnr

SAMPLES = Path(__file__).parents[1] / "samples"
DATA_RANGE = 4095.0
WANTED_DB = 0.02
MODELS = ("fluorescence", "refocus")
FURTHER_OPTIONS = {"refocus": ("--dz-um=4", "--force")}
"""The sample has finer pixels than those that ``refocus`` learned from; runtimes do not mind."""
REFERENCE = "torch in fp32"
WAYS = {
    REFERENCE: ("torch", "fp32"),
    "as focusfix chooses": ("auto", "auto"),
    "torch in bf16": ("torch", "bf16"),
    "OpenVINO in fp32": ("openvino", "fp32"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--models", nargs="+", default=MODELS, help="weights for focusfix deblur")
    add_results_option(parser)
    options = parser.parse_args()
    truth = tifffile.imread(SAMPLES / "in_focus.tif").astype(np.float64)
    rows, figures, notes = [], {}, []
    with tempfile.TemporaryDirectory() as name:
        for model in options.models:
            target = Path(name) / "out.tif"
            found = {way: deblur(model, *settings, target) for way, settings in WAYS.items()}
            expected = found[REFERENCE]
            if isinstance(expected, str):
                raise SystemExit(f"{model}: {expected}")
            for way, image in found.items():
                if isinstance(image, str):
                    notes.append(f"`{model}`, {way}, was not measured: {image}")
                    continue
                reached = psnr(image, truth, data_range=DATA_RANGE)
                change = reached - psnr(expected, truth, data_range=DATA_RANGE)
                largest = np.abs(image - expected).max()
                rows.append(
                    (f"`{model}`", way, f"{reached:.3f}", f"{change:+.4f}", f"{largest:.0f}")
                )
                figures[f"{model}, {way}: change in dB"] = change
    publish_all(options, rows, notes, figures)


def deblur(model: str, runtime: str, precision: str, target: Path) -> npt.NDArray[np.float64] | str:
    """Deblur the sample; the reason where it cannot be done this way."""
    command = [sys.executable, "-m", "focusfix", "deblur", str(SAMPLES / "out_of_focus.tif")]
    command += ["-o", str(target), "--overwrite", "--model", model]
    command += ["--runtime", runtime, "--precision", precision, *FURTHER_OPTIONS.get(model, ())]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        return done.stderr.strip().splitlines()[-1].removeprefix("error: ")
    pixels: npt.NDArray[np.float64] = tifffile.imread(target).astype(np.float64)
    return pixels


def publish_all(
    options: argparse.Namespace,
    rows: Sequence[Sequence[str]],
    notes: Sequence[str],
    figures: dict[str, float],
) -> None:
    """Publish the table and what is missing in it."""
    head = ("weights", "computed by", "PSNR, dB", "change, dB", "largest change, grey values")
    facts = (
        "`samples/out_of_focus.tif` against `samples/in_focus.tif`, 12 bits, as integers in the "
        "file that `focusfix deblur` writes. The PSNR of weights that are made for other optics "
        "says nothing about them; its change does."
    )
    wanted = f"Wanted: a change of less than {WANTED_DB} dB."
    lines = [facts, "", *table(head, rows), "", " ".join([wanted, *notes])]
    words = "" if tuple(options.models) == MODELS else f" --models {' '.join(options.models)}"
    command = f"python benchmarks/bench_precision.py{words}"
    publish(options.results, "Number formats and runtimes", command, lines, figures)


if __name__ == "__main__":
    main()
