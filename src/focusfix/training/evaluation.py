"""What weights reach on fields: everything that can be measured of a network of any family."""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt

from focusfix.footprint import Footprint
from focusfix.metrics.code_swapping import flat_codes, swap_codes
from focusfix.metrics.ladder import (
    DEBLURRING,
    MODEL,
    NOTHING,
    Comparison,
    Ladder,
    Made,
    compare,
    run_padded,
)
from focusfix.metrics.latent_space import (
    PathScores,
    average_paths,
    encode_ladder,
    make_images,
    path_scores,
)
from focusfix.metrics.probe import Probe, ProbeScore, probe_codes
from focusfix.models.base import Restorer
from focusfix.models.bound_refocus import AtDistance
from focusfix.models.line_model import LatentLineModel
from focusfix.models.refocuser import Refocuser
from focusfix.models.two_code_model import DisentangledModel
from focusfix.report.latent import CodeMap, CodePath
from focusfix.training.remembered import remembered

PROBES: tuple[Probe, ...] = ("linear", "mlp")

_CROP_PX = 128
_FEWEST_IDENTITIES, _MOST_IDENTITIES = 2, 100
_LEAST_PATH = 3


@dataclass(frozen=True)
class ModelScores:
    """Measures of one network on a set of fields.

    Parameters
    ----------
    comparisons : tuple of Comparison
        Of every image that was made, beside methods without a model.
    paths : PathScores, optional
        For latent-line models.
    probes : dict of str to ProbeScore
        By kind of classifier, for models with two codes; empty for others.
    """

    comparisons: tuple[Comparison, ...]
    paths: PathScores | None
    probes: dict[Probe, ProbeScore]


def evaluate(
    network: Restorer,
    ladders: Sequence[Ladder],
    *,
    seed: int = 0,
    with_ssim: bool = True,
    with_probes: bool = True,
    margin: bool = True,
    on_progress: Callable[[float], None] = lambda _: None,
) -> ModelScores:
    """Measure a network by the protocols of its family.

    Latent-line models reconstruct, synthesise and deblur from two levels, and their codes are
    scored as paths; disentangled models reconstruct, mix and swap codes, and classifiers read
    their codes; any other network deblurs every level. Refocusers are told how far focus is, one
    plane at a time.

    Parameters
    ----------
    network : Restorer
        In evaluation mode, on the CPU.
    ladders : sequence of Ladder
        The fields.
    seed : int
        Of donors and classifiers.
    with_ssim, with_probes : bool
        Whether to take these measures, which take longer than the others.
    margin : bool
        Whether images are continued by reflection as far as the network looks; without, it sees
        what it saw of crops in training.
    on_progress : callable
        Gets the share of the fields that are done.

    Returns
    -------
    ModelScores
    """
    stride = network.footprint.stride_px
    seen = network.footprint if margin else Footprint(reach_px=0, stride_px=stride)
    comparisons: list[Comparison] = []
    paths = []
    for number, ladder in enumerate(ladders):
        with remembered(network):
            made = _make(network, ladder, _donors(ladder, ladders), seed, seen)
            comparisons += compare(ladder, made, with_ssim=with_ssim)
        if isinstance(network, LatentLineModel) and len(ladder.levels) >= _LEAST_PATH:
            paths.append(path_scores(encode_ladder(network, ladder)[None]))
        on_progress((number + 1) / len(ladders))
    probes: dict[Probe, ProbeScore] = {}
    if with_probes and isinstance(network, DisentangledModel):
        probes = probe_model(network, ladders, seed=seed)
    return ModelScores(tuple(comparisons), average_paths(paths) if paths else None, probes)


def deblur_ladder(
    network: Restorer, ladder: Ladder, ladders: Sequence[Ladder], *, seed: int = 0
) -> list[Made]:
    """Deblur one field as :func:`evaluate` does, to show what was measured.

    Parameters
    ----------
    network : Restorer
        In evaluation mode, on the CPU.
    ladder : Ladder
        The field.
    ladders : sequence of Ladder
        All fields.
    seed : int
        As for :func:`evaluate`.

    Returns
    -------
    list of Made
        By every method, among them doing nothing.
    """
    with remembered(network):
        made = _make(network, ladder, _donors(ladder, ladders), seed, network.footprint)
        return [each for each in made if each.task == DEBLURRING]


def _make(
    network: Restorer,
    ladder: Ladder,
    donors: Sequence[npt.NDArray[np.float32]],
    seed: int,
    seen: Footprint,
) -> Iterator[Made]:
    """Let a network do what its family does."""
    if isinstance(network, LatentLineModel):
        return make_images(network, ladder, footprint=seen)
    if isinstance(network, DisentangledModel):
        own = zlib.crc32(ladder.field.encode())
        return swap_codes(
            network, ladder, donors, seed=seed + own, focus_code=network.knows_focus, footprint=seen
        )
    return _deblur(network, ladder, seen)


def _deblur(network: Restorer, ladder: Ladder, seen: Footprint) -> Iterator[Made]:
    focus = ladder.images[-1]
    for place, image in enumerate(ladder.images):
        bound = network
        if isinstance(network, Refocuser):
            side = ladder.side if network.sign == "stage" else 1
            bound = AtDistance(network, side * ladder.levels[place]).eval()
        restored = run_padded(seen, bound, image)
        yield Made(DEBLURRING, MODEL, place, restored, focus)
        yield Made(DEBLURRING, NOTHING, place, image, focus)


def _donors(ladder: Ladder, ladders: Sequence[Ladder]) -> list[npt.NDArray[np.float32]]:
    """Return the images in focus of the other fields of the same size."""
    return [
        other.images[-1]
        for other in ladders
        if other.field != ladder.field and other.images.shape[1:] == ladder.images.shape[1:]
    ]


def line_codes(network: LatentLineModel, ladders: Sequence[Ladder]) -> list[CodePath]:
    """Encode the middle of every field at all its levels, to be drawn.

    Parameters
    ----------
    network : LatentLineModel
        In evaluation mode, on the CPU.
    ladders : sequence of Ladder
        The fields; of each the middle 128 x 128 pixels, or fewer where all have fewer.

    Returns
    -------
    list of CodePath
        One for each field.
    """
    side = min(_CROP_PX, *(min(ladder.images.shape[1:]) for ladder in ladders))
    return [
        CodePath(each.field, each.levels, encode_ladder(network, each.middle(side)).numpy())
        for each in ladders
    ]


def code_crops(
    network: DisentangledModel, ladders: Sequence[Ladder], *, most: int = _MOST_IDENTITIES
) -> CodeMap:
    """Encode crops of all fields, each at all its levels: one crop, one identity.

    Parameters
    ----------
    network : DisentangledModel
        In evaluation mode, on the CPU.
    ladders : sequence of Ladder
        The fields; cut into crops of 128 x 128 pixels beside each other, or smaller ones where
        they have no room.
    most : int
        Most crops; taken in turn from all fields, so that none is left out before the others.

    Returns
    -------
    CodeMap

    Raises
    ------
    ValueError
        If the fields are smaller than the stride.
    """
    stride = network.footprint.stride_px
    smallest = min(min(ladder.images.shape[1:]) for ladder in ladders)
    side = min(_CROP_PX, smallest) // stride * stride
    if side == 0:
        msg = f"fields of {smallest} px are smaller than the stride, {stride} px"
        raise ValueError(msg)
    of_field = _levels_of_fields(ladders)
    places = sorted(
        (number, name, corner)
        for name, (first, *_) in of_field.items()
        for number, corner in enumerate(_corners(first[1].shape[1:], side))
    )[:most]
    images, identities, levels = [], [], []
    for identity, (_, name, (y, x)) in enumerate(places):
        for at, planes in of_field[name]:
            images.append(planes[:, y : y + side, x : x + side])
            identities.append(np.full(len(at), identity))
            levels.append(at)
    codes = flat_codes(network, np.concatenate(images))
    return CodeMap(*codes, np.concatenate(identities), np.abs(np.concatenate(levels)))


_Levels = tuple[tuple[float, ...], npt.NDArray[np.float32]]


def _levels_of_fields(ladders: Sequence[Ladder]) -> dict[str, list[_Levels]]:
    """Gather both sides of focus of each field; the image in focus only once."""
    found: dict[str, list[_Levels]] = {}
    for ladder in ladders:
        sides = found.setdefault(ladder.field, [])
        kept = len(ladder.levels) - bool(sides)
        sides.append((ladder.levels[:kept], ladder.images[:kept]))
    return found


def _corners(shape_yx: tuple[int, ...], side: int) -> list[tuple[int, int]]:
    height, width = shape_yx
    rows, columns = range(0, height - side + 1, side), range(0, width - side + 1, side)
    return [(y, x) for y in rows for x in columns]


def probe_model(
    network: DisentangledModel, ladders: Sequence[Ladder], *, seed: int = 0
) -> dict[Probe, ProbeScore]:
    """Let classifiers read both codes of a network.

    Parameters
    ----------
    network, ladders
        As for :func:`code_crops`.
    seed : int
        Of the classifiers.

    Returns
    -------
    dict of str to ProbeScore
        By kind of classifier; empty for a single crop, whose field needs no telling.
    """
    crops = code_crops(network, ladders)
    if len(np.unique(crops.identities)) < _FEWEST_IDENTITIES:
        return {}
    ask = partial(probe_codes, crops.identity, crops.blur, crops.identities.tolist(), seed=seed)
    return {kind: ask(kind=kind) for kind in PROBES}
