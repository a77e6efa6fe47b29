"""``focusfix train``: a lab's own z-stacks become a model."""

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Any

import typer

from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.errands import Notebook
from focusfix.cli.simulation_options import known_microscope
from focusfix.cli.train_options import TrainOptions, wanted_settings
from focusfix.cli.train_report import print_plan, print_result, tell_plan, tell_start
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.runtime.device import Device
    from focusfix.training.plan import Plan
    from focusfix.training.progress import ProgressView
    from focusfix.training.run_folder import RunFolder
    from focusfix.training.settings import DataPlace, RunSettings
    from focusfix.training.standing import RunResult
    from focusfix.training.team import Team

_EXAMPLES = (
    ("what would be learned from a folder of z-stacks", "focusfix train zstacks/ --dry-run"),
    ("train on it", "focusfix train zstacks/ -o runs/first"),
    ("fine-tune your own weights on it",
     "focusfix train zstacks/ --start-from runs/earlier/best.safetensors -o runs/second"),
    ("go on after an interruption", "focusfix train --resume -o runs/first"),
    ("pairs of images in two folders",
     "focusfix train blurry/ --in-focus sharp/ --model multilevel-unet -o runs/pairs"),
    ("a latent line for synthesize-blur and interpolate, as in its paper",
     "focusfix train zstacks/ --model linear-ae-direct --preset paper -o runs/line"),
    ("sharp images, defocus simulated", "focusfix train sharp/ --simulate -o runs/simulated"),
    ("a refocuser for one microscope",
     ("focusfix train sharp/ --simulate -m refocus --numerical-aperture 0.6 --pixel-size-um 0.65 "
     "-o runs/refocus")),
    ("deblurring and blurring together, from images that are no pairs",
     "focusfix train zstacks/ --model comi --lesson-setting paired=false -o runs/comi"),
    ("use the result", "focusfix deblur in.tif -m runs/first/best.safetensors -o out.tif"),
)  # fmt: skip
_BYTES_PER_MB = 1 << 20


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    add_command(app, "train", TrainOptions, run, examples=_EXAMPLES)


def run(options: TrainOptions, console: Console) -> None:
    """Train a network on focal stacks, or fine-tune weights on them.

    Finds fields, channels, planes and the plane in focus by itself, splits by well or field,
    and keeps the run in a folder: best.safetensors and last.safetensors (for deblur -m),
    config.json, split.csv, log.csv, loss.png and previews. An interrupted run saves its state
    and goes on exactly with --resume. Prints the path of the best checkpoint.
    """
    _check_combination(options)
    from focusfix.training.team import join_team

    with join_team(options.device) as (team, device):
        if not team.is_first:
            console.quiet = True
            console = Notebook()  # which nobody reads: errors are told, the rest the first says
        if device.note:
            console.note(f"training on {device.name}: {device.note}")
        if team.size > 1:
            console.note(f"{team.size} processes learn together")
        with team.speak_once():
            folder, plan = _plan(options, team, device, console)
        with closing(plan.data):
            _run_plan(options, plan, folder, (team, device), console)


def _plan(
    options: TrainOptions, team: "Team", device: "Device", console: Console
) -> "tuple[RunFolder | None, Plan]":
    """Look at folder and data, before anything is written."""
    from focusfix.training.plan import plan_run
    from focusfix.training.run_folder import RunFolder

    wanted = wanted_settings(options)
    known = known_microscope(options, simulate=options.simulate, resume=options.resume)
    folder = RunFolder(options.output) if options.output else None
    stored = folder.read_settings() if folder and options.resume else None
    if folder and not (options.resume or options.dry_run):
        folder.check_new(overwrite=options.overwrite)
    with console.progress("looking at the data") as advance:
        plan = plan_run(
            _data_place(options, stored),
            wanted,
            device=device,
            simulate=options.simulate,
            known=known,
            epochs=options.epochs,
            preset=str(options.preset) if options.preset else None,
            stored=stored,
            cache_bytes=options.cache_mb * _BYTES_PER_MB,
            processes=team.size,
            on_progress=advance,
        )
    return folder, plan


def _run_plan(
    options: TrainOptions,
    plan: "Plan",
    folder: "RunFolder | None",
    place: "tuple[Team, Device]",
    console: Console,
) -> None:
    """Say what was understood; then train, unless that was all that is wanted."""
    from focusfix.training.plan import training_precision

    team, device = place
    tell_plan(plan, console)
    if not options.resume or (folder is not None and not folder.state.exists()):
        tell_start(plan, console)
    if plan.settings.precision == "bf16" and training_precision(device) != "bf16":
        console.warning(
            f"{device.name} has no instructions for bf16: training is slower with it than "
            "with --precision fp32, and less exact"
        )
    if options.dry_run:
        if team.is_first:
            print_plan(plan, options, console)
    elif folder is not None:
        result = _train(plan, folder, place, console, resume=options.resume)
        if team.is_first:
            print_result(result, folder, options, console)


def _check_combination(options: TrainOptions) -> None:
    if options.output is None and not options.dry_run:
        raise UsageError(
            "No folder for the run was given.", "Use -o with a folder, or --dry-run to look first."
        )
    if options.resume and options.output is None:
        raise UsageError("--resume needs the folder of the run.", "Give it with -o.")
    if options.resume and options.overwrite:
        raise UsageError("--resume and --overwrite contradict each other.", "Give one of them.")
    if options.simulate and options.in_focus is not None:
        raise UsageError("--simulate and --in-focus contradict each other.", "Give one of them.")
    if options.data is None and not options.resume:
        raise UsageError("No data were given.", "Give a folder, a CSV manifest or a z-stack.")


def _data_place(options: TrainOptions, stored: "RunSettings | None") -> "DataPlace":
    """Take what the user gave; for the rest, what the run was started with."""
    from focusfix.training.settings import DataPlace

    given = {
        "path": options.data,
        "in_focus": options.in_focus,
        "pattern": options.pattern,
        "axes": options.axes,
    }
    before = stored.data.model_dump() if stored else {}
    now: dict[str, Any] = {name: str(value) for name, value in given.items() if value is not None}
    if options.z_spacing_um is not None:
        if not 0 < options.z_spacing_um < float("inf"):
            raise UsageError("--z-spacing-um must be greater than 0.", "Give micrometres.")
        now["z_spacing_um"] = options.z_spacing_um
    return DataPlace.model_validate({**before, **now})


def _train(
    plan: "Plan",
    folder: "RunFolder",
    place: "tuple[Team, Device]",
    console: Console,
    *,
    resume: bool,
) -> "RunResult":
    from focusfix.training.run import Run

    team, device = place
    table = plan.data.split_table
    with team.speak_once():
        if resume:
            folder.check_split(table)
        elif team.is_first:
            folder.start(plan.settings, table)
    if plan.settings.simulation is not None:
        console.note("computing the optics of the simulated microscopes, which takes a while")
    run = Run(plan.data, plan.settings, folder, device, team)
    if resume:
        run.resume()
        console.note(f"{folder.path}: going on after step {run.trainer.step}")
    try:
        return run.train(_choose_view(console))
    except (KeyboardInterrupt, SystemExit):
        if folder.state.exists():
            console.note(
                f"{folder.path}: the state after step {run.trainer.step} was saved; "
                f"go on with focusfix train --resume -o {folder.path}"
            )
        raise


def _choose_view(console: Console) -> "ProgressView":
    from focusfix.training.progress import LineProgress, TableProgress

    if console.quiet:
        return LineProgress(lambda _: None, warn=console.warning)
    if not console.show_progress:
        return LineProgress(console.note, every_s=float("inf"), warn=console.warning)
    if sys.stderr.isatty():
        return TableProgress()
    return LineProgress(console.note, warn=console.warning)
