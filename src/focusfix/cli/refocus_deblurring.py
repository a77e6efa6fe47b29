"""``focusfix deblur`` with refocusers: to one distance, to a surface, to where focus is found."""

from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix.cli.reblur import RestoredPart
from focusfix.cli.refocus_levels import RecordedLevels
from focusfix.cli.refocus_options import read_wanted
from focusfix.cli.refocus_search import find_distances
from focusfix.cli.refocusing import Refocusing
from focusfix.cli.restoration import Part, planes_of_channels
from focusfix.errors import InputError

if TYPE_CHECKING:
    from focusfix.cli.model_shelf import BoundModel
    from focusfix.io.image import ImageReader


def refocus_parts(
    stack: ExitStack, refocusing: Refocusing, dz_um: str | None
) -> list[RestoredPart]:
    """Make the parts of one image that a refocuser brings to another plane.

    Parameters
    ----------
    stack : ExitStack
        Keeps a surface open.
    refocusing : Refocusing
        The refocuser and the image.
    dz_um : str, optional
        From each plane of the image to the wanted one, as the user gave it.

    Returns
    -------
    list of RestoredPart
        Together they hold the planes of all its channels once.

    Raises
    ------
    UsageError
        If a distance is beyond what the network is meant for.
    InputError
        If a surface does not fit the image, or the z-levels of a stack have no known distance.
    """
    wanted = read_wanted(dz_um, refocusing.name)
    planes = planes_of_channels(refocusing.reader.metadata, refocusing.choice.channels)
    if wanted.surface is not None:
        return [_surface_part(stack, refocusing, planes, wanted.surface)]
    if wanted.dz_um is None:
        return _found_parts(refocusing, planes)
    several = refocusing.reader.metadata.axis_size("Z") > 1
    if several and refocusing.network.most_planes > 1:
        return _fused_parts(refocusing, planes, wanted.dz_um)
    refocusing.check_reach(wanted.dz_um)
    bound = refocusing.at(wanted.dz_um)
    return [_restored(refocusing, bound, refocusing.part(bound, planes), {"dz_um": wanted.dz_um})]


def _restored(
    refocusing: Refocusing, bound: "BoundModel", part: Part, details: Mapping[str, Any]
) -> RestoredPart:
    description = {**refocusing.describe(bound, part), **details}
    return RestoredPart(refocusing.choice, bound.network, refocusing.survey, part, description)


def _found_parts(refocusing: Refocusing, planes: tuple[int, ...]) -> list[RestoredPart]:
    """Bring each plane to where it is found to be in focus."""
    by_distance: dict[float | None, list[int]] = {}
    searches = find_distances(refocusing, planes)
    for plane, search in searches.items():
        distance = None if search.best is None else search.best.dz_um
        by_distance.setdefault(distance, []).append(plane)
    parts = []
    for distance, members in by_distance.items():
        bound = refocusing.unchanged() if distance is None else refocusing.at(distance)
        details = {"dz_um": distance, "dz_um_from": "auto", "planes": members}
        parts.append(_restored(refocusing, bound, refocusing.part(bound, members), details))
    return parts


def _fused_parts(
    refocusing: Refocusing, planes: tuple[int, ...], dz_um: float
) -> list[RestoredPart]:
    """Make every plane of a stack from the recorded levels nearest to where it is wanted."""
    levels = RecordedLevels.of(refocusing)
    chosen: dict[int, list[int]] = {}
    groups: dict[tuple[float, ...], list[int]] = {}
    for plane in planes:
        wanted_um = levels.heights_um[levels.level_of(plane)] + dz_um
        chosen[plane] = levels.choose(wanted_um)
        groups.setdefault(levels.distances(wanted_um, chosen[plane]), []).append(plane)
    n_planes = refocusing.reader.metadata.n_planes
    parts = []
    for distances, members in groups.items():
        order = [*range(n_planes)]
        companions = []
        for rank in range(len(distances)):
            seen = levels.positions(members, [chosen[plane][rank] for plane in members])
            shown = dict(zip(members, seen, strict=True))
            companions.append(levels.source([shown.get(plane, plane) for plane in order]))
        bound = refocusing.from_planes(distances)
        part = refocusing.part(bound, members, companions=tuple(companions))
        details = {"dz_um": dz_um, "from_planes_um": list(distances), "planes": members}
        parts.append(_restored(refocusing, bound, part, details))
    return parts


def _surface_part(
    stack: ExitStack, refocusing: Refocusing, planes: tuple[int, ...], path: Path
) -> RestoredPart:
    """Bring all planes to a surface."""
    from focusfix.io.image import open_image
    from focusfix.operations.images import ReaderSource
    from focusfix.operations.refocus_bindings import SurfaceSource

    surface = stack.enter_context(open_image(path))
    farthest_um = _check_surface(surface, refocusing.reader)
    refocusing.check_reach(farthest_um)
    source = ReaderSource(refocusing.reader)
    distances = SurfaceSource(
        ReaderSource(surface), source, refocusing.survey.scales, refocusing.network.range_um
    )
    bound = refocusing.on_surface()
    part = refocusing.part(bound, planes, companions=(distances,))
    return _restored(refocusing, bound, part, {"dz_um": str(path)})


def _check_surface(surface: "ImageReader", image: "ImageReader") -> float:
    """Refuse an image of distances that does not lie on the image; return the farthest one."""
    import numpy as np

    from focusfix.engine.source import read_pieces
    from focusfix.operations.images import ReaderSource

    metadata = surface.metadata
    height, width = image.metadata.shape_yx
    if metadata.shape_yx != (height, width) or metadata.n_planes != 1 or metadata.samples != 1:
        raise InputError(
            f"{surface.path} has the axes {metadata.axes} of {metadata.shape}, and a surface for "
            f"{image.path} is one plane of {height} x {width} pixels.",
            "Give one distance in micrometres for each pixel of the image.",
        )
    farthest_um = 0.0
    for _, pixels in read_pieces(ReaderSource(surface), [0]):
        values = pixels.astype(np.float64)
        if not np.isfinite(values).all():
            raise InputError(
                f"{surface.path} holds distances that are NaN or infinite.",
                "Fill them from their neighbours: the surface should be smooth.",
            )
        extreme = float(values.flat[np.abs(values).argmax()])
        farthest_um = max(farthest_um, extreme, key=abs)
    return farthest_um
