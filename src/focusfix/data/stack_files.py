"""Layout: one z-stack per field, with channels and time points if there are any."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from focusfix.data.focus_series import FocusSeries, PlaneSource
from focusfix.data.image_files import channel_name, intensity_samples, read_metadata
from focusfix.errors import InputError
from focusfix.io.image import ImageMetadata
from focusfix.io.plates import name_well


@dataclass(frozen=True)
class _Stack:
    path: Path
    metadata: ImageMetadata
    field: str
    axes: str | None


def index_stacks(
    paths: Sequence[Path], folder: Path, axes: str | None = None
) -> tuple[FocusSeries, ...]:
    """Index images of which each is a z-stack of one field.

    Parameters
    ----------
    paths : sequence of Path
        Images with axes such as ZYX, CZYX, TZCYX or ZYXS. A single axis without a name is taken
        for z.
    folder : Path
        Fields are named by their path below it.
    axes : str, optional
        Axes to read the images with instead of those that they state.

    Returns
    -------
    tuple of FocusSeries
        One for each image, channel and time point.

    Raises
    ------
    InputError
        If an image has no z axis or an axis that is neither T, Z nor C.
    """
    found: list[FocusSeries] = []
    for path, metadata in read_metadata(paths, axes).items():
        field = path.relative_to(folder).with_suffix("").as_posix()
        found += _split_stack(_Stack(path, metadata, field, axes))
    return tuple(found)


def _split_stack(stack: _Stack) -> list[FocusSeries]:
    depth = _depth_axis(stack)
    groups: dict[tuple[int, int], list[tuple[int, int]]] = {}
    for plane in stack.metadata.planes:
        key = (plane.channel, plane.coordinates.get("T", 0))
        groups.setdefault(key, []).append((plane.coordinates.get(depth, 0), plane.position))
    return [_series(stack, channel, frame, sorted(p)) for (channel, frame), p in groups.items()]


def _depth_axis(stack: _Stack) -> str:
    letters = stack.metadata.plane_axes
    others = [letter for letter in letters if letter not in "TCZ"]
    depth = "Z" if "Z" in letters else others.pop() if len(others) == 1 else "Z"
    if others:
        raise InputError(
            f"{stack.path}: the axes {stack.metadata.axes} of this stack are not understood.",
            "State them with --axes, for example --axes TZCYX.",
        )
    if depth not in letters and stack.metadata.axis_size("T") > 1:
        raise InputError(
            f"{stack.path} has time points but no z-levels (axes {stack.metadata.axes}).",
            "If they are z-levels, say so with --axes ZYX.",
        )
    return depth


def _series(
    stack: _Stack, channel: int, frame: int, planes: Sequence[tuple[int, int]]
) -> FocusSeries:
    metadata = stack.metadata
    spacing, size = metadata.z_spacing_um, metadata.pixel_size_um
    return FocusSeries(
        field=stack.field,
        channel=channel_name(metadata, channel),
        planes=tuple(PlaneSource(stack.path, position, stack.axes) for _, position in planes),
        z_levels=tuple(level for level, _ in planes),
        shape_yx=metadata.shape_yx,
        samples=intensity_samples(metadata),
        frame=frame,
        well=name_well(stack.path),
        z_um=tuple(level * spacing for level, _ in planes) if spacing else None,
        pixel_size_um=size[0] if size else None,
    )
