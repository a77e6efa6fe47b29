"""Scoring at work: against a reference, alone, or of weights, whichever the options ask for."""

import math
from pathlib import Path

from focusfix.cli.console import Console
from focusfix.cli.files import process_jobs
from focusfix.cli.image_pairs import plan_comparisons, plan_inspections
from focusfix.cli.score_alone import Inspecting, alone_limit_names
from focusfix.cli.score_checkpoint import (
    check_without_checkpoint,
    checkpoint_limit_names,
    score_checkpoint,
)
from focusfix.cli.score_distance import read_distances
from focusfix.cli.score_focus import FocusRun, check_focus_options, plan_maps
from focusfix.cli.score_focus_options import AUTO
from focusfix.cli.score_options import ScoreFormat, ScoreOptions, check_limits, parse_limits
from focusfix.cli.score_profile import ProfileRun, parse_place
from focusfix.cli.score_reference import NYQUIST_PER_PX, Scoring, limit_names
from focusfix.cli.score_report import (
    check_report,
    compose_comparisons,
    compose_inspections,
    console_for,
    write_report,
)
from focusfix.cli.sidecar import check_folder
from focusfix.errors import UsageError

_MOST_PLOTTED = 20


def score_files(options: ScoreOptions, console: Console) -> None:
    """Score what the options name, and print it.

    Parameters
    ----------
    options : ScoreOptions
        As the user gave them.
    console : Console
        Where the run reports.

    Raises
    ------
    FocusfixError
        As the commands do.
    """
    if options.checkpoint is not None:
        limits = parse_limits(options.fail_under or (), checkpoint_limit_names())
        check_limits(score_checkpoint(options, console), limits)
        return
    check_without_checkpoint(options)
    _check_options(options)
    names = limit_names(options) if options.reference is not None else alone_limit_names()
    limits = parse_limits(options.fail_under or (), names)
    if options.reference is not None:
        means = _score_against(options.reference, options, console)
    else:
        means = _score_alone(options, console)
    check_limits(means, limits)


def _score_against(reference: Path, options: ScoreOptions, console: Console) -> dict[str, float]:
    from focusfix.io.inputs import expand_inputs

    sources = expand_inputs(options.inputs or (), pattern=options.pattern)
    places = [*sources, reference, *([options.input] if options.input else [])]
    distances = read_distances(places, options.axes, console)
    jobs = plan_comparisons(
        sources, reference, options.input, options.trust_map, distances.in_focus
    )
    profiles = _plan_profiles(options, len(jobs))
    scoring = Scoring(options, console_for(options, console), jobs, distances, profiles)
    show = None if options.format == ScoreFormat.JSON else scoring.show
    try:
        process_jobs(jobs, scoring.process, scoring.console, show=show)
    finally:
        means = scoring.finish()
        profiles.save(options.profile_plot)
        if scoring.records:
            parts = scoring.records, scoring.summary(), profiles.panels, options
            write_report(options, console, lambda: compose_comparisons(*parts))
    return means


def _score_alone(options: ScoreOptions, console: Console) -> dict[str, float]:
    from focusfix.io.inputs import expand_inputs

    sources = expand_inputs(options.inputs or (), pattern=options.pattern)
    jobs = plan_inspections(sources, options.repeat)
    profiles = _plan_profiles(options, len(jobs))
    focus = FocusRun(options, console, plan_maps(options))
    inspecting = Inspecting(options, console_for(options, console), jobs, profiles, focus)
    show = None if options.format == ScoreFormat.JSON else inspecting.show
    try:
        process_jobs(jobs, inspecting.process, inspecting.console, show=show)
    finally:
        means = inspecting.finish()
        profiles.save(options.profile_plot)
        if inspecting.records:
            parts = inspecting.records, profiles.panels, focus.maps, options
            write_report(options, console, lambda: compose_inspections(*parts))
    return means


def _plan_profiles(options: ScoreOptions, n_images: int) -> ProfileRun:
    place = parse_place(options.profile) if options.profile is not None else None
    if options.profile_plot is not None:
        from focusfix.report.figures import check_figure_name

        check_figure_name(options.profile_plot, "--profile-plot")
        check_folder(options.profile_plot)
        if n_images > _MOST_PLOTTED:
            raise UsageError(
                f"--profile-plot draws at most {_MOST_PLOTTED} images, not {n_images}.",
                "Give fewer images; --format csv lists the widths of any number.",
            )
    return ProfileRun(place, options.pixel_size_um)


def _check_options(options: ScoreOptions) -> None:
    if not options.inputs:
        raise UsageError("No image was given.", "Give an image or a folder.")
    _check_numbers(options)
    check_report(options)
    check_focus_options(options)
    only_with = {
        "--input": options.input is not None,
        "--trust-map": options.trust_map is not None,
        "--affine-fit": options.affine_fit,
        "--band-from": options.band_from is not None,
    }
    only_without = {
        "--repeat": options.repeat is not None,
        "--numerical-aperture": options.numerical_aperture is not None,
        "--blur-model": options.blur_model != AUTO,
        "--pixel-size-um": options.pixel_size_um is not None and options.profile is None,
    }
    if options.profile_plot is not None and options.profile is None:
        raise UsageError("--profile-plot needs a place.", "Give --profile Y,X or Y0,X0:Y1,X1.")
    if options.reference is None and any(only_with.values()):
        name = next(name for name, given in only_with.items() if given)
        raise UsageError(f"{name} needs a reference.", "Give --reference with the true image.")
    if options.reference is not None and any(only_without.values()):
        name = next(name for name, given in only_without.items() if given)
        raise UsageError(
            f"{name} is about images on their own, not about images against a reference.",
            "Leave out one of the two.",
        )


def _check_numbers(options: ScoreOptions) -> None:
    for name, value in (
        ("--data-range", options.data_range),
        ("--pixel-size-um", options.pixel_size_um),
    ):
        if value is not None and not 0 < value < math.inf:
            raise UsageError(
                f"{name} must be positive, not {value:g}.",
                f"See focusfix score --help for what {name} is.",
            )
    if options.band_from is not None and not 0 <= options.band_from < NYQUIST_PER_PX:
        raise UsageError(
            f"--band-from must be from 0 to below {NYQUIST_PER_PX}, not {options.band_from:g}.",
            "Give cycles per pixel, or leave it out to measure it from --input.",
        )
