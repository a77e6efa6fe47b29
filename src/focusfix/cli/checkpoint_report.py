"""The report of ``focusfix score --checkpoint``, and the plots of codes."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix.cli.checkpoint_tables import mean_of
from focusfix.cli.score_options import ScoreOptions

if TYPE_CHECKING:
    from focusfix.config import CheckpointHeader
    from focusfix.metrics.ladder import Comparison, Ladder
    from focusfix.models.base import Restorer
    from focusfix.report.latent import CodeMap, CodePath
    from focusfix.report.page import Example, Page

Record = dict[str, Any]

_MOST_CODED, _FEWEST_CODED = 8, 6
_UNITS = {"um": "\N{MICRO SIGN}m", "levels": "levels"}


def compose_checkpoint(
    record: Record,
    header: "CheckpointHeader",
    network: "Restorer",
    fields: "Sequence[tuple[list[Ladder], Sequence[Comparison]]]",
    files: Sequence[Path],
    options: ScoreOptions,
) -> "Page":
    """Lay out the report of weights.

    Parameters
    ----------
    record : dict
        What was measured, as ``--format json`` prints it, numbers as they are.
    header : CheckpointHeader
        What the weights say of themselves.
    network : Restorer
        The weights.
    fields : sequence of (list of Ladder, sequence of Comparison)
        Fields of each channel, and what was measured on them.
    files : sequence of Path
        The weights and all images.
    options : ScoreOptions
        As the user gave them.

    Returns
    -------
    Page
    """
    from focusfix.cli.score_report import describe_run
    from focusfix.report.latent import inline_codes
    from focusfix.report.model_page import compose_model_page

    unit = record["distance_unit"]
    codes = read_codes(network, [ladder for ladders, _ in fields for ladder in ladders])
    return compose_model_page(
        record,
        mean_of(record["channels"]),
        facts=_facts(record, header, options),
        plots=inline_codes(codes, _UNITS[unit], "codes") if _can_be_drawn(codes) else (),
        examples=_show_field(network, *fields[0], _UNITS[unit]),
        provenance=describe_run(_versions(header), files),
    )


def draw_codes(path: Path, network: "Restorer", ladders: "Sequence[Ladder]", unit: str) -> None:
    """Draw the codes of weights into a figure file; nothing for models without codes.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    from focusfix.report.latent import CodeMap, write_code_maps, write_code_paths

    codes = read_codes(network, ladders)
    if isinstance(codes, CodeMap):
        write_code_maps(path, codes, unit)
    elif codes:
        write_code_paths(path, codes, unit)


def read_codes(network: "Restorer", ladders: "Sequence[Ladder]") -> "list[CodePath] | CodeMap":
    """Encode the fields as far as plots show them; an empty list for models without codes."""
    from focusfix.models.line_model import LatentLineModel
    from focusfix.models.two_code_model import DisentangledModel
    from focusfix.training.evaluation import code_crops, line_codes

    if isinstance(network, LatentLineModel):
        return line_codes(network, ladders)
    if isinstance(network, DisentangledModel):
        return code_crops(network, ladders, most=_MOST_CODED)
    return []


def _can_be_drawn(codes: "list[CodePath] | CodeMap") -> bool:
    from focusfix.report.latent import CodeMap

    return len(codes.distances) >= _FEWEST_CODED if isinstance(codes, CodeMap) else bool(codes)


def _facts(
    record: Record, header: "CheckpointHeader", options: ScoreOptions
) -> list[tuple[str, str]]:
    """State the model card, and what the weights were measured on."""
    held_out = {field for names in header.held_out.values() for field in names}
    unknown = len(set(record["fields"]) - held_out)
    pixels = header.pixel_size_um
    facts = [
        ("model", f"{header.model}: {header.summary}"),
        ("abilities", ", ".join(header.abilities)),
        ("trained on", header.trained_on),
        ("training", f"{header.steps:,} steps, seed {header.seed}"),
        ("modality", header.modality),
        (
            "pixel size",
            f"{pixels[0]:g} to {pixels[1]:g} \N{MICRO SIGN}m" if pixels else "not stated",
        ),
        ("licence", header.licence),
        ("data", str(options.data)),
        ("fields", f"{', '.join(record['fields'])} ({record['split']})"),
        ("levels", "every one" if options.level_step == 1 else f"one in {options.level_step}"),
        ("region", f"middle {options.crop_size} px" if options.crop_size else "whole fields"),
        ("seed of scores", "0"),
    ]
    if unknown:
        told = f"{unknown} of the fields: the weights do not name them among those that were kept"
        facts.append(("may have been trained on", told))
    return facts


def _versions(header: "CheckpointHeader") -> list[tuple[str, str]]:
    trained = ", ".join(f"{name} {number}" for name, number in header.versions.items())
    return [("weights made with", trained), ("torch", version("torch"))]


def _show_field(
    network: "Restorer", ladders: "list[Ladder]", measured: "Sequence[Comparison]", unit: str
) -> "list[Example]":
    """Show the field with the median error, from near, between and far from focus."""
    from focusfix.metrics.ladder import NOTHING
    from focusfix.report.examples import compose_example
    from focusfix.report.model_page import METHODS
    from focusfix.training.evaluation import deblur_ladder

    chosen = choose_field(measured)
    ladder = next((each for each in ladders if each.field == chosen), None)
    if ladder is None:
        return []
    made = {(each.method, each.place): each for each in deblur_ladder(network, ladder, ladders)}
    methods = {method for method, _ in made}
    method = next(each for each in METHODS if each in methods)
    focus = len(ladder.levels) - 1
    places = sorted({place for _, place in made if place != focus}, reverse=True)
    examples = []
    for place in dict.fromkeys((places[0], places[len(places) // 2], places[-1])):
        result = made[method, place]
        roles = {
            "input": made[NOTHING, place].image,
            "output": result.image,
            "reference": result.reference,
        }
        title = f"{chosen}, {abs(ladder.levels[place]):g} {unit} from focus"
        images = {role: image[..., None].astype(float) for role, image in roles.items()}
        examples.append(compose_example(title, "", images))
    return examples


def choose_field(measured: "Sequence[Comparison]") -> str | None:
    """Choose the field that is shown: the one with the median error after deblurring.

    Parameters
    ----------
    measured : sequence of Comparison
        Of one channel.

    Returns
    -------
    str or None
        None if nothing was deblurred.
    """
    from focusfix.metrics.ladder import DEBLURRING
    from focusfix.report.model_page import METHODS

    errors: dict[str, list[float]] = {}
    for each in measured:
        if each.task == DEBLURRING and each.method in METHODS and each.level != 0:
            errors.setdefault(each.field, []).append(each.mse)
    ranked = sorted(errors, key=lambda field: sum(errors[field]) / len(errors[field]))
    return ranked[len(ranked) // 2] if ranked else None
