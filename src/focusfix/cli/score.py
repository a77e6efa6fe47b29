"""``focusfix score``: how good images are, with the truth beside them or without."""

import typer

from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.score_options import ScoreOptions

_EXAMPLES = (
    ("an image against the truth", "focusfix score out.tif --reference truth.tif"),
    ("what was gained over the blurry image, folder by folder",
     "focusfix score fixed/ --reference sharp/ --input blurry/"),
    ("a 12-bit camera in 16-bit files; a table for a spreadsheet",
     "focusfix score fixed/ --reference sharp/ --data-range 4095 --format csv > scores.csv"),
    ("stop a script if less than 1 dB was gained",
     "focusfix score out.tif --reference truth.tif --input in.tif --fail-under psnr_gain=1.0"),
    ("a page with curves, pictures and differences from the truth",
     "focusfix score fixed/ --reference sharp/ --input blurry/ --report score.html"),
    ("how wide a bead is before and after, and in the truth",
     "focusfix score out.tif --reference truth.tif --profile 120,88 --profile-plot bead.svg"),
    ("how sharp, fine and noisy images are, without a truth; the best plane of a stack",
     "focusfix score stack.tif"),
    ("how far from focus, and where: a map in micrometres",
     "focusfix score in.tif --numerical-aperture 0.5 --focus-map distance.tif"),
    ("what weights reach on the fields that they were not trained on",
     "focusfix score --checkpoint runs/first/best.safetensors --data zstacks/"),
)  # fmt: skip


def run(options: ScoreOptions, console: Console) -> None:
    """Score images against a reference, or on their own.

    With --reference: for each measure the score of the image; with --input also that of the
    untouched input and the gain over it, which is what counts. PSNR and SSIM depend on the data
    range, which is never guessed from the pixels and always printed.

    Without: sharpness, resolution by Fourier ring correlation, noise and clipped pixels of each
    plane, and the sharpest plane of each stack; with --numerical-aperture how far it is from
    focus.

    With --checkpoint and --data: what weights reach on the fields of focal series that they were
    not trained on, distance by distance, beside doing nothing.
    """
    from focusfix.cli.scoring import score_files

    score_files(options, console)


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "score", ScoreOptions, run, examples=_EXAMPLES)
