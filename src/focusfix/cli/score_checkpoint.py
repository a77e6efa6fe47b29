"""Scores of weights: what they reach on fields that they were not trained on."""

from contextlib import closing
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix.cli.checkpoint_options import CheckpointOptions
from focusfix.cli.checkpoint_report import compose_checkpoint, draw_codes
from focusfix.cli.checkpoint_tables import (
    CSV_TITLES,
    csv_cells,
    field_rows,
    heading,
    mean_of,
    score_lines,
)
from focusfix.cli.console import Console
from focusfix.cli.console_options import ConfigOptions, ConsoleOptions
from focusfix.cli.score_options import ScoreFormat, ScoreOptions
from focusfix.cli.score_report import check_report, write_report
from focusfix.cli.score_tables import csv_lines, json_value
from focusfix.cli.sidecar import check_folder
from focusfix.errors import InputError, UsageError

if TYPE_CHECKING:
    from focusfix.config import CheckpointHeader
    from focusfix.data.focus_series import FocusSeries
    from focusfix.metrics.ladder import Ladder
    from focusfix.models.base import Restorer
    from focusfix.training.evaluation import ModelScores

Record = dict[str, Any]

_SERVING = frozenset(
    field.name
    for options_type in (CheckpointOptions, ConsoleOptions, ConfigOptions)
    for field in fields(options_type)
) | {"inputs", "pattern", "axes", "format", "report", "fail_under"}
_LEAST_CROP_PX = 16


@dataclass(frozen=True)
class ScoredChannel:
    """One channel of the data, read and scored.

    Parameters
    ----------
    channel : str
        Its name.
    ladders : list of Ladder
        Its fields.
    scores : ModelScores
        Of the weights on them.
    """

    channel: str
    ladders: "list[Ladder]"
    scores: "ModelScores"


def checkpoint_limit_names() -> dict[str, str]:
    """List what ``--fail-under`` can check of weights, and why not the rest.

    Returns
    -------
    dict of str to str
        Names of scores with a reason; the reason is empty for those that can be checked.
    """
    names = ("psnr", "psnr_gain", "ssim", "ssim_gain", "reconstruction_psnr", "synthesis_psnr")
    known = dict.fromkeys((*names, "lds", "ml_vae_score"), "")
    return {**known, "apd": "less of it is better"}


def score_checkpoint(options: ScoreOptions, console: Console) -> dict[str, float]:
    """Score weights on the fields that they were not trained on, and print the result.

    Parameters
    ----------
    options : ScoreOptions
        With ``checkpoint`` given.
    console : Console
        Where the run reports.

    Returns
    -------
    dict of str to float
        Means that ``--fail-under`` may check; NaN where the model has no such measure.

    Raises
    ------
    UsageError
        If an option is missing or out of range.
    OutputError
        If a report or plot cannot be written.
    InputError
        If the data cannot be read, or hold no field that may be scored.
    ModelError
        If the weights cannot be read.
    """
    check_checkpoint_options(options)
    _check_outputs(options)
    assert options.checkpoint is not None
    from focusfix.io.checkpoint import load_checkpoint
    from focusfix.io.weights import find_weights

    path = find_weights(options.checkpoint)
    network, header = load_checkpoint(path)
    series = _choose_series(options, header, console)
    channels = [
        _score_channel(
            name, [each for each in series if each.channel == name], network, options, console
        )
        for name in dict.fromkeys(each.channel for each in series)
    ]
    records = [_channel_record(each) for each in channels]
    in_um = all(each.z_um is not None for each in series)
    record: Record = {
        "checkpoint": options.checkpoint,
        "model": header.model,
        "steps": header.steps,
        "split": options.split.value,
        "fields": sorted({each.field for each in series}),
        "distance_unit": "um" if in_um else "levels",
        "crop_size": options.crop_size,
        "channels": records,
    }
    _print(record, options, console)
    if options.latent_plot is not None:
        ladders = [ladder for each in channels for ladder in each.ladders]
        draw_codes(options.latent_plot, network, ladders, record["distance_unit"])
        console.note(f"wrote {options.latent_plot}")
    fields_scored = [(each.ladders, each.scores.comparisons) for each in channels]
    files = [path, *(plane.path for each in series for plane in each.planes)]
    parts = record, header, network, fields_scored, files, options
    write_report(options, console, lambda: compose_checkpoint(*parts))
    return mean_of(records)


def check_checkpoint_options(options: ScoreOptions) -> None:
    """Refuse options that contradict ``--checkpoint``, or are out of range.

    Raises
    ------
    UsageError
        The first of them is named.
    """
    if options.data is None:
        raise UsageError("--checkpoint needs focal series.", "Give their folder with --data.")
    if options.inputs:
        raise UsageError(
            "--checkpoint scores weights on --data; it takes no images.",
            "Leave out the images, or --checkpoint.",
        )
    for field in fields(options):
        value = getattr(options, field.name)
        if field.name not in _SERVING and value not in (field.default, None, []):
            option = f"--{field.name.replace('_', '-')}"
            raise UsageError(
                f"{option} has no meaning for --checkpoint: weights are scored on the focal "
                "series of --data, on the intensity scale of each field.",
                f"Leave out {option}.",
            )
    if options.level_step < 1:
        raise UsageError(
            f"--level-step must be 1 or more, not {options.level_step}.", "Give 1 for every level."
        )
    if options.crop_size is not None and options.crop_size < _LEAST_CROP_PX:
        raise UsageError(
            f"--crop-size must be {_LEAST_CROP_PX} or more, not {options.crop_size}.",
            "The papers take 128.",
        )


def _check_outputs(options: ScoreOptions) -> None:
    check_report(options)
    if options.latent_plot is not None:
        from focusfix.report.figures import check_figure_name

        check_figure_name(options.latent_plot, "--latent-plot")
        check_folder(options.latent_plot)


def check_without_checkpoint(options: ScoreOptions) -> None:
    """Refuse options that are about ``--checkpoint`` where it is not given.

    Raises
    ------
    UsageError
        The first of them is named.
    """
    for field in fields(CheckpointOptions):
        if getattr(options, field.name) not in (field.default, None, []):
            option = f"--{field.name.replace('_', '-')}"
            raise UsageError(
                f"{option} is about the weights of --checkpoint.",
                f"Give --checkpoint, or leave out {option}.",
            )


def _choose_series(
    options: ScoreOptions, header: "CheckpointHeader", console: Console
) -> "tuple[FocusSeries, ...]":
    from focusfix.data.held_out import choose_held_out
    from focusfix.data.layouts import index_data

    index = index_data(
        options.data or Path(),
        pattern=options.pattern,
        axes=options.axes,
        channels=options.channel or (),
        focal_level=options.focal_level,
    )
    for note in index.notes:
        console.note(note)
    chosen = choose_held_out(index.series, header.held_out, options.split.value)
    known = {field for fields in header.held_out.values() for field in fields}
    others = {each.field for each in chosen} - known
    if others:
        console.warning(
            f"{len(others)} of the fields may have been trained on: the weights do not name them "
            "among those that were kept"
        )
    return chosen


def _score_channel(
    name: str,
    series: "list[FocusSeries]",
    network: "Restorer",
    options: ScoreOptions,
    console: Console,
) -> ScoredChannel:
    from focusfix.data.held_out import read_ladders
    from focusfix.data.planes import PlaneStore
    from focusfix.data.series_scale import fit_series
    from focusfix.models.line_model import LatentLineModel
    from focusfix.models.refocuser import Refocuser
    from focusfix.training.evaluation import evaluate

    unknown = [each.name for each in series if each.z_um is None]
    if isinstance(network, Refocuser) and unknown:
        raise InputError(
            f"The heights of the planes of {unknown[0]} are not known, and refocusers are told "
            "them.",
            "State them in a manifest (z_um), or the z spacing in the files.",
        )
    both_sides = not isinstance(network, LatentLineModel)
    label = f"scoring {name}".rstrip()
    with closing(PlaneStore(0)) as planes:
        ladders = [
            ladder
            for fitted in fit_series(series)
            for ladder in read_ladders(
                fitted,
                planes,
                step=options.level_step,
                both_sides=both_sides,
                crop_px=options.crop_size,
            )
        ]
    with console.progress(label) as advance:
        return ScoredChannel(name, ladders, evaluate(network, ladders, on_progress=advance))


def _channel_record(scored: ScoredChannel) -> Record:
    scores = scored.scores
    paths = scores.paths
    return {
        "channel": scored.channel,
        "rows": field_rows(scores.comparisons),
        "paths": {k: v.mean for k, v in paths._asdict().items()} if paths else None,
        "probes": {
            kind: {
                "identity_accuracy": each.identity,
                "blur_accuracy": each.blur,
                "ml_vae_score": each.ml_vae_score,
                "chance": each.chance,
            }
            for kind, each in scores.probes.items()
        },
    }


def _print(record: Record, options: ScoreOptions, console: Console) -> None:
    if options.format == ScoreFormat.JSON:
        console.record(json_value(record))
    elif options.format == ScoreFormat.CSV:
        rows = [cells for channel in record["channels"] for cells in csv_cells(channel)]
        console.result(csv_lines([CSV_TITLES, *rows]))
    elif options.format == ScoreFormat.TABLE:
        console.result(heading(record))
        for channel in record["channels"]:
            console.result(score_lines(channel, record["distance_unit"]))
