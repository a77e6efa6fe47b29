"""What ``focusfix train`` tells before it starts and once it has ended."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from focusfix.cli.console import Console
from focusfix.cli.tables import format_facts
from focusfix.cli.train_options import TrainOptions

if TYPE_CHECKING:
    from focusfix.training.plan import Plan
    from focusfix.training.run_folder import RunFolder
    from focusfix.training.standing import RunResult


def tell_plan(plan: "Plan", console: Console) -> None:
    """Say what there is to learn from."""
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


def tell_start(plan: "Plan", console: Console) -> None:
    """Say which weights training starts from."""
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


def print_plan(plan: "Plan", options: TrainOptions, console: Console) -> None:
    """Print what would be done, for people or for programs."""
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


def print_result(
    result: "RunResult", folder: "RunFolder", options: TrainOptions, console: Console
) -> None:
    """Print what came out, for people or for programs."""
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
