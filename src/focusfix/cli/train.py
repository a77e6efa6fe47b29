"""``focusfix train``: a lab's own z-stacks become a model."""

import sys
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import typer

from focusfix.cli.command import add_command
from focusfix.cli.console import Console
from focusfix.cli.errands import Notebook
from focusfix.cli.simulation_options import known_microscope
from focusfix.cli.tables import format_facts
from focusfix.cli.train_options import TrainOptions, wanted_settings
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
    _tell_plan(plan, console)
    if not options.resume or (folder is not None and not folder.state.exists()):
        _tell_start(plan, console)
    if plan.settings.precision == "bf16" and training_precision(device) != "bf16":
        console.warning(
            f"{device.name} has no instructions for bf16: training is slower with it than "
            "with --precision fp32, and less exact"
        )
    if options.dry_run:
        if team.is_first:
            _print_plan(plan, options, console)
    elif folder is not None:
        result = _train(plan, folder, place, console, resume=options.resume)
        if team.is_first:
            _print_result(result, folder, options, console)


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


def _tell_plan(plan: "Plan", console: Console) -> None:
    facts = plan.data.describe()
    for note in facts["notes"]:
        console.note(note)
    split, n_fields = facts["split"], facts["fields"]
    console.note(
        f"{facts['layout']}: {n_fields} field{'s'[: n_fields != 1]}, "
        f"{split['train']} for training, {split['validation']} for validation, "
        f"{split['test']} for test"
    )
    if not split["validation"]:
        console.warning(
            "no field is left for validation: training does not stop early, and the best "
            "checkpoint is the newest one"
        )


def _tell_start(plan: "Plan", console: Console) -> None:
    settings, start = plan.settings, plan.settings.start_from
    if start is not None:
        kinds = {start.modality, plan.data.modality}
        console.note(
            f"fine-tuning the weights {start.weights} ({settings.model}, trained on "
            f"{start.modality} images)"
        )
        if len(kinds - {"any"}) > 1:
            console.warning(
                f"the data are {plan.data.modality}, the weights {start.weights} were trained on "
                f"{start.modality}"
            )
    elif plan.n_trained < plan.n_parameters:
        console.warning(
            f"starting from random weights: train does not learn a part of {settings.model}, "
            "which stays unfitted; --start-from names weights that have it fitted"
        )
    else:
        console.note(f"starting from random weights ({settings.model})")


def _print_plan(plan: "Plan", options: TrainOptions, console: Console) -> None:
    record = plan.describe()
    if options.json:
        console.record({"command": "train", "data": plan.settings.data.path, **record})
    else:
        shown = {name.replace("_", " "): _show(value) for name, value in record.items()}
        console.result(format_facts(plan.settings.data.path, shown))


def _show(value: Any) -> object:
    """Write a value of the plan for people: no brackets, long ranges shortened."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {entry}" for key, entry in value.items()) or None
    if not isinstance(value, list):
        return value
    whole = len(value) > 2 and all(isinstance(entry, int) for entry in value)
    if whole and value == list(range(value[0], value[-1] + 1)):
        return f"{value[0]} to {value[-1]}"
    return ", ".join(str(entry) for entry in value if entry != "") or None


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


def _print_result(
    result: "RunResult", folder: "RunFolder", options: TrainOptions, console: Console
) -> None:
    if result.stopped_early:
        console.note(f"stopped after step {result.steps}: validation no longer gets better")
    if result.best is not None:
        console.note(
            f"best at step {result.best_step}: {result.best.psnr_db:.2f} dB, "
            f"{result.best.gain_db:+.2f} dB over doing nothing"
        )
        if result.best.gain_db <= 0:
            console.warning(
                "the best checkpoint is no better than leaving the images as they are: train "
                "longer (--steps), on more fields, or look at the previews for what goes wrong"
            )
    for warning in result.warnings:
        console.warning(f"looking back: {warning}")
    if not options.json:
        console.result(str(folder.best))
        return
    best = result.best
    console.record(
        {
            "command": "train",
            "run": str(folder.path),
            "best": str(folder.best),
            "last": str(folder.last),
            "steps": result.steps,
            "stopped_early": result.stopped_early,
            "best_step": result.best_step,
            "validation_psnr_db": best.psnr_db if best else None,
            "validation_gain_db": best.gain_db if best else None,
            "warnings": list(result.warnings),
        }
    )
