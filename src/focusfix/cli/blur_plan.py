"""What ``focusfix synthesize-blur`` is asked for: by which means, and how much blur."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from focusfix.cli.alphas import parse_alphas
from focusfix.cli.blur_options import OPTICS, BlurOptions
from focusfix.cli.model_choice import find_model
from focusfix.cli.refocus_blurring import check_refocused_blur, is_refocuser
from focusfix.cli.refocus_options import check_refocus_options
from focusfix.cli.two_way import TWO_WAY, check_two_way, is_two_way
from focusfix.errors import UsageError

LATENT_LINE = "latent-line"
"""Weights that make the blur unless the user says otherwise."""


@dataclass(frozen=True)
class BlurPlan:
    """How much blur by which means: distances, alphas, or neither for models that know one amount.

    Parameters
    ----------
    model : str
        Name or path of weights, or "optics".
    distances_um : tuple of float
        Distances from focus, ascending.
    alphas : tuple of float
        Weights of the sharper image, in the order given.
    """

    model: str
    distances_um: tuple[float, ...] = ()
    alphas: tuple[float, ...] = ()

    @property
    def is_series(self) -> bool:
        """Whether every input gives several images."""
        return len(self.distances_um) + len(self.alphas) > 1


def plan_blur(options: BlurOptions) -> BlurPlan:
    """Decide on the means and the amounts of blur, without torch.

    Parameters
    ----------
    options : BlurOptions
        As the user gave them.

    Returns
    -------
    BlurPlan

    Raises
    ------
    UsageError
        If no amount is given where one is needed, options exclude each other or are none of the
        model's, or a value is out of range.
    ModelError
        If there are no such weights, or they cannot blur.
    """
    if is_two_way(options.model):
        check_two_way(options, options.model)
        check_refocus_options(options, TWO_WAY, options.model)
        return BlurPlan(options.model)
    if options.model is not None and is_refocuser(options.model):
        check_refocused_blur(options, options.model)
        distances = check_distances(options.dz_um or [])
        return BlurPlan(options.model, distances_um=tuple(distances))
    check_refocus_options(options, "", options.model or OPTICS)
    given_alpha = bool(options.alpha) or options.alphas is not None
    if not given_alpha and not options.dz_um:
        raise UsageError(
            "No amount of blur was given.", "Give one with --alpha, such as 0.5, or with --dz-um."
        )
    model = options.model or (OPTICS if options.dz_um else LATENT_LINE)
    _check_means(options, model, given_alpha)
    if model != OPTICS:
        find_model(model, "synthesize-blur")
    if options.dz_um:
        return BlurPlan(model, distances_um=tuple(check_distances(options.dz_um)))
    alphas = parse_alphas(options.alpha or [], options.alphas, zero_allowed=True)
    return BlurPlan(model, alphas=tuple(alphas))


def _check_means(options: BlurOptions, model: str, given_alpha: bool) -> None:
    """Refuse options that exclude each other."""
    if given_alpha and options.dz_um:
        raise UsageError(
            "--alpha and --dz-um exclude each other.", "Say how much blur in one of the two ways."
        )
    if options.dz_um and model != OPTICS:
        raise UsageError(
            f"--dz-um is for optics and refocusers, not for the model {model}.",
            "Leave --model out, or give --alpha instead.",
        )
    if options.blurrier is None:
        return
    if model == OPTICS:
        raise UsageError(
            "--blurrier is for models that move between two images, and optics is none.",
            "Leave --blurrier out, or give a model.",
        )
    if options.max_defocus_um is not None:
        raise UsageError(
            "--blurrier and --max-defocus-um exclude each other.",
            "Give the second image, or the defocus that makes one.",
        )


def check_distances(distances: Sequence[float]) -> list[float]:
    """Refuse distances that are given twice or not finite.

    Returns
    -------
    list of float
        Ascending; micrometres.

    Raises
    ------
    UsageError
        If they make no series.
    """
    labels = [format_distance(dz_um) for dz_um in distances]
    if len(set(labels)) < len(labels) or not all(map(math.isfinite, distances)):
        raise UsageError(
            f"--dz-um takes distances that differ, not {', '.join(labels)}.",
            "Give each distance once.",
        )
    return sorted(distances)


def format_distance(dz_um: float) -> str:
    """Label a distance: one decimal, more where it needs them."""
    return f"{dz_um:+.1f}" if round(dz_um, 1) == dz_um else f"{dz_um:+g}"
