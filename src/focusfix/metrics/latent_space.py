r"""What a latent line is worth: the protocols behind tables 1 and 2 of its paper.

A field is a ladder of images :math:`x_0, \dots, x_{N-1}`, blurriest first and the one in focus
last, on one intensity scale. Its codes are scored as a path
(:mod:`focusfix.latent.path_scores`), and three tasks compare what a model makes of the ladder with
the ladder itself:

==================  ======================================  ==========================
task                the model makes                         compared with
==================  ======================================  ==========================
reconstruction      :math:`D(E(x_n))`                       :math:`x_n`
synthesis           :math:`x'_n` from the two ends          :math:`x_n`
synthesis of codes  :math:`x'_n` from the two ends          :math:`D(E(x_n))`
deblurring          :math:`x'_{N-1}` from :math:`x_0, x_n`  :math:`x_{N-1}`
==================  ======================================  ==========================

Beside the model, synthesis and deblurring are done by doing nothing (the sharper input stands for
the result) and by the same line through the pixels.

References
----------
Mazilu, Wang et al., CAIP 2023, section 4.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from focusfix.footprint import Footprint
from focusfix.metrics.ladder import (
    DEBLURRING,
    MODEL,
    NOTHING,
    RECONSTRUCTION,
    SYNTHESIS,
    Ladder,
    Made,
    run_padded,
)

if TYPE_CHECKING:
    from torch import Tensor

    from focusfix.latent.path_scores import PathScore

SYNTHESIS_OF_CODES = "synthesis of codes"
"""Task: make a level from others as the model itself would reconstruct it."""

PIXELS = "line of pixels"
"""Method: the same line without a model, through the pixels."""


class LineModel(Protocol):
    """What the protocols ask of a model; networks of the latent-line family have it."""

    @property
    def footprint(self) -> Footprint:
        """Reach and stride."""

    def encode(self, image: "Tensor") -> "Tensor":
        """Turn images (N, 1, Y, X) into codes."""

    def __call__(self, image: "Tensor") -> "Tensor":
        """Reconstruct images."""

    def interpolate_images(
        self, sharper: "Tensor", blurrier: "Tensor", *, alpha: float
    ) -> "Tensor":
        """Make the image between two."""

    def extrapolate_images(
        self, sharper: "Tensor", blurrier: "Tensor", *, alpha: float
    ) -> "Tensor":
        """Make the image in focus from two."""


class PathScores(NamedTuple):
    """Linearity and spacing of codes, by the paper's equations and as its code has them."""

    lds: "PathScore"
    apd: "PathScore"
    lds_sq: "PathScore"
    apd_sq: "PathScore"


def path_scores(codes: "Tensor") -> PathScores:
    r"""Score latent paths by all four measures.

    Parameters
    ----------
    codes : Tensor, shape (F, N, \*latent)
        Codes of N >= 3 levels in order for each of F fields; finite.

    Returns
    -------
    PathScores

    Raises
    ------
    ValueError
        As for :func:`focusfix.latent.path_scores.lds` and the others.
    """
    from focusfix.latent import path_scores as paths

    return PathScores(paths.lds(codes), paths.apd(codes), paths.lds_sq(codes), paths.apd_sq(codes))


def average_paths(scores: Sequence[PathScores]) -> PathScores:
    """Average the scores of fields that were scored one by one, which takes less memory.

    Parameters
    ----------
    scores : sequence of PathScores
        At least one, each of one field.

    Returns
    -------
    PathScores
        As if all fields had been scored together.

    Raises
    ------
    ValueError
        If there is none.
    """
    from focusfix.latent.path_scores import PathScore

    if not scores:
        raise ValueError("there is no path to average")
    measures = []
    for column in zip(*scores, strict=True):
        n_fields = sum(each.n_fields for each in column)
        total = sum(each.mean * each.n_fields for each in column)
        left_out = sum(each.n_left_out for each in column)
        measures.append(PathScore(total / n_fields, n_fields, left_out))
    return PathScores(*measures)


def encode_ladder(model: LineModel, ladder: Ladder) -> "Tensor":
    """Encode every level of a field, without anything beyond the edges of its images.

    Parameters
    ----------
    model : LineModel
        In evaluation mode.
    ladder : Ladder
        Cut to the largest middle part whose sides are multiples of the model's stride.

    Returns
    -------
    Tensor, shape (N, elements)

    Raises
    ------
    ValueError
        If an image is smaller than the stride.
    """
    import torch

    stride = model.footprint.stride_px
    height, width = ladder.images.shape[1:]
    kept = (height // stride * stride, width // stride * stride)
    if not all(kept):
        msg = f"images of {height} x {width} px are smaller than the stride, {stride} px"
        raise ValueError(msg)
    y, x = (height - kept[0]) // 2, (width - kept[1]) // 2
    window = ladder.images[:, None, y : y + kept[0], x : x + kept[1]]
    with torch.inference_mode():
        codes = [model.encode(torch.from_numpy(image[None].copy())) for image in window]
        return torch.cat([code.flatten(1) for code in codes])


def make_images(
    model: LineModel, ladder: Ladder, *, footprint: Footprint | None = None
) -> Iterator[Made]:
    """Let a model reconstruct, synthesise and deblur one field, beside methods without a model.

    Parameters
    ----------
    model : LineModel
        In evaluation mode, on the CPU.
    ladder : Ladder
        The field.
    footprint : Footprint, optional
        How far images are continued by reflection; as far as the model looks if not given.

    Yields
    ------
    Made
        For every level its reconstruction and its synthesis from the two ends; for every level
        between the ends, the image in focus made from it and the blurriest one.
    """
    images, last = ladder.images, len(ladder.levels) - 1
    focus, blurriest = images[last], images[0]
    seen = footprint or model.footprint
    for place, image in enumerate(images):
        alpha = ladder.alpha(place)
        rebuilt = run_padded(seen, model, image)
        made = run_padded(seen, _bind(model.interpolate_images, alpha), focus, blurriest)
        line = alpha * focus + (1 - alpha) * blurriest
        yield Made(RECONSTRUCTION, MODEL, place, rebuilt, image)
        yield Made(SYNTHESIS_OF_CODES, MODEL, place, made, rebuilt)
        yield Made(SYNTHESIS, MODEL, place, made, image)
        yield Made(SYNTHESIS, PIXELS, place, line, image)
        yield Made(SYNTHESIS, NOTHING, place, focus, image)
    for place in range(1, last):
        alpha, sharper = ladder.alpha(place), images[place]
        made = run_padded(
            model.footprint, _bind(model.extrapolate_images, alpha), sharper, blurriest
        )
        line = sharper + (1 - alpha) / alpha * (sharper - blurriest)
        yield Made(DEBLURRING, MODEL, place, made, focus)
        yield Made(DEBLURRING, PIXELS, place, line, focus)
        yield Made(DEBLURRING, NOTHING, place, sharper, focus)


def _bind(method: Callable[..., "Tensor"], alpha: float) -> Callable[..., "Tensor"]:
    return lambda sharper, blurrier: method(sharper, blurrier, alpha=alpha)
