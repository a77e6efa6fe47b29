"""``focusfix models``: which weights there are, what they are good for, whether they are intact."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from focusfix.cli.command import add_command, show_help_without_command
from focusfix.cli.console import Console
from focusfix.cli.console_options import ConsoleOptions, JsonOption
from focusfix.cli.plain_values import PlainGroup
from focusfix.cli.tables import format_facts, format_table
from focusfix.errors import FocusfixError, ModelError

if TYPE_CHECKING:
    from focusfix.config import CheckpointHeader
    from focusfix.io.weights import WeightsFile


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ListOptions(ConsoleOptions, JsonOption):
    """Options of the subcommands that take no name."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class NameOptions(ConsoleOptions, JsonOption):
    """Options of ``focusfix models show``."""

    name: Annotated[
        str, typer.Argument(metavar="NAME|PATH", help="A name of the list, or a .safetensors file.")
    ]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PathOptions(ConsoleOptions, JsonOption):
    """Options of ``focusfix models path``."""

    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A name of the list; without it, all folders."),
    ] = None


def run_list(options: ListOptions, console: Console) -> None:
    """List weights and networks.

    Weights are what --model can name; networks are what can be trained.
    """
    from focusfix.io.weights import list_weights
    from focusfix.models.registry import list_entries

    weights = [_summarize(each, console) for each in list_weights()]
    networks = [
        {
            "name": entry.name,
            "weights": [each["name"] for each in weights if each["network"] == entry.name],
            "abilities": sorted(entry.abilities),
            "summary": entry.summary,
            "reference": entry.reference,
        }
        for entry in list_entries()
    ]
    if options.json:
        console.record({"weights": weights, "networks": networks})
        return
    columns = ("name", "network", "modality", "abilities", "from", "summary")
    rows = [[_join(each[column]) for column in columns] for each in weights]
    console.result(format_table(("weights", *columns[1:]), rows))
    titles = ("name", "weights", "abilities", "summary", "reference")
    rows = [[_join(each[column]) or "none: train" for column in titles] for each in networks]
    console.result("\n" + format_table(("network", *titles[1:]), rows))


def run_show(options: NameOptions, console: Console) -> None:
    """Show the model card of weights.

    Says what they were trained on, for which images, what they reach and where their limits are.
    """
    from focusfix.io.checkpoint import read_header
    from focusfix.io.weights import find_weights

    path = find_weights(options.name)
    header = read_header(path)
    card = path.with_suffix(".md")
    text = card.read_text(encoding="utf-8", errors="replace") if card.is_file() else None
    if options.json:
        described = header.model_dump(mode="json")
        console.record({"name": path.stem, "path": str(path), "header": described, "card": text})
        return
    console.result(format_facts(path.stem, {"file": path, **_facts(header)}))
    if text is not None:
        console.result(f"\n{text.rstrip()}")


def run_verify(options: ListOptions, console: Console) -> None:
    """Compare weights with their checksums.

    The list SHA256SUMS lies beside the weights. Exits with 4 if a file differs or is missing.
    """
    from focusfix.io.weights import verify_weights

    found = verify_weights()
    records = [{"name": each.name, "state": each.state, "path": str(each.path)} for each in found]
    if options.json:
        console.record({"weights": records})
    else:
        rows = [list(record.values()) for record in records]
        console.result(format_table(("weights", "state", "file"), rows))
    broken = [str(each.path) for each in found if each.state in {"changed", "missing"}]
    if broken:
        raise ModelError(
            f"These weights are not those of the list of checksums: {', '.join(broken)}.",
            "Copy or download them again.",
        )


def run_path(options: PathOptions, console: Console) -> None:
    """Print where weights are.

    Without a name, prints the folders that are searched, in order.
    """
    from focusfix.io.weights import find_weights, weights_folders

    if options.name is not None:
        path = find_weights(options.name)
        if options.json:
            console.record({"name": path.stem, "path": str(path)})
        else:
            console.result(str(path))
        return
    folders = [
        {"from": source, "path": str(folder), "exists": folder.is_dir()}
        for source, folder in weights_folders()
    ]
    if options.json:
        console.record({"folders": folders})
    else:
        console.result("\n".join(str(each["path"]) for each in folders))


def register(app: typer.Typer) -> None:
    """Add the command and its subcommands to the app."""
    models = typer.Typer(cls=PlainGroup, rich_markup_mode=None, invoke_without_command=True)
    add_command(
        models, "list", ListOptions, run_list,
        examples=(("what is there", "focusfix models list"),),
    )  # fmt: skip
    add_command(
        models, "show", NameOptions, run_show,
        examples=(("the card of the default", "focusfix models show fluorescence"),),
    )  # fmt: skip
    add_command(
        models, "verify", ListOptions, run_verify,
        examples=(("before a long run", "focusfix models verify"),),
    )  # fmt: skip
    add_command(
        models, "path", PathOptions, run_path,
        examples=(("where to copy weights from", "focusfix models path fluorescence"),),
    )  # fmt: skip
    models.callback()(show_help_without_command)
    app.add_typer(models, name="models", help="List, show and verify weights.")


def _summarize(weights: "WeightsFile", console: Console) -> dict[str, Any]:
    from focusfix.io.checkpoint import read_outline

    record: dict[str, Any] = {"name": weights.name, "from": weights.source}
    record["path"] = str(weights.path)
    try:
        outline = read_outline(weights.path)
    except FocusfixError as error:
        console.warning(str(error))
        return {**record, "network": None, "modality": None, "abilities": [], "summary": "damaged"}
    return {
        **record,
        "network": outline.model,
        "modality": outline.modality,
        "abilities": list(outline.abilities),
        "summary": outline.summary,
    }


def _facts(header: "CheckpointHeader") -> dict[str, object]:
    return {
        "summary": header.summary,
        "network": header.model,
        "modality": header.modality,
        "abilities": ", ".join(header.abilities),
        "trained on": header.trained_on,
        "licence": header.licence,
        "pixel size": _range(header.pixel_size_um, "um"),
        "numerical aperture": _range(header.numerical_aperture, ""),
        "blur radius": _range(header.blur_radius_px, "px"),
        "training steps": header.steps,
        "seed": header.seed,
        **{name: f"{score:g}" for name, score in header.scores.items()},
        "made with": ", ".join(f"{name} {text}" for name, text in header.versions.items()),
    }


def _range(bounds: tuple[float, float] | None, unit: str) -> str | None:
    return f"{bounds[0]:g} to {bounds[1]:g} {unit}".rstrip() if bounds else None


def _join(value: object) -> object:
    return ", ".join(str(item) for item in value) if isinstance(value, list) else value
