"""Refocusing from the z-levels of a stack: their heights, and which of them make a wanted one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from focusfix.cli.refocus_options import StackOptions
from focusfix.cli.refocusing import Refocusing
from focusfix.cli.restoration import middle_slice, planes_of_channels
from focusfix.cli.second_image import grey
from focusfix.errors import InputError, UsageError

if TYPE_CHECKING:
    from focusfix.engine.source import PixelSource
    from focusfix.io.image import ImageReader

_DIGITS = 6


@dataclass(frozen=True)
class RecordedLevels:
    """The z-levels of a stack.

    Parameters
    ----------
    refocusing : Refocusing
        The refocuser and the stack.
    heights_um : tuple of float
        Of the levels above the first one; micrometres.
    """

    refocusing: Refocusing
    heights_um: tuple[float, ...]

    @classmethod
    def of(cls, refocusing: Refocusing) -> "RecordedLevels":
        """Find the heights of the levels.

        Raises
        ------
        InputError
            If the file does not say their distance.
        """
        metadata = refocusing.reader.metadata
        given = isinstance(refocusing.options, StackOptions) and refocusing.options.z_spacing_um
        spacing = given or metadata.z_spacing_um
        if spacing is None:
            raise InputError(
                f"{refocusing.reader.path} does not say how far its z-levels are apart.",
                "Give their distance with --z-spacing-um.",
            )
        return cls(refocusing, tuple(spacing * level for level in range(metadata.axis_size("Z"))))

    def choose(self, wanted_um: float) -> list[int]:
        """Choose the levels that a plane at some height is made from, nearest first.

        Raises
        ------
        UsageError
            If it is farther from all of them than the network is meant for, and the user does not
            force it.
        """
        from focusfix.operations.refocus_bindings import nearest_levels

        network = self.refocusing.network
        nearest_um = min((height - wanted_um for height in self.heights_um), key=abs)
        self.refocusing.check_reach(nearest_um)
        range_um = max(network.range_um, abs(nearest_um))
        return nearest_levels(
            wanted_um, self.heights_um, most=network.most_planes, range_um=range_um
        )

    def distances(self, wanted_um: float, levels: Sequence[int]) -> tuple[float, ...]:
        """Tell how far the wanted plane is from some levels; micrometres, without rounding dust."""
        return tuple(round(wanted_um - self.heights_um[level], _DIGITS) for level in levels)

    def positions(self, planes: Sequence[int], levels: Sequence[int]) -> list[int]:
        """Find planes like others, but each at a level of its own.

        Parameters
        ----------
        planes : sequence of int
            Positions of planes in the stack.
        levels : sequence of int
            Level wanted instead of each of theirs.

        Returns
        -------
        list of int
            Positions in the stack.
        """
        indices = self.refocusing.reader.metadata.planes
        known = {_place(each.coordinates): each.position for each in indices}
        return [
            known[_place({**indices[plane].coordinates, "Z": level})]
            for plane, level in zip(planes, levels, strict=True)
        ]

    def level_of(self, plane: int) -> int:
        """Tell the level of a plane."""
        return self.refocusing.reader.metadata.planes[plane].coordinates["Z"]

    def source(self, planes: Sequence[int]) -> "PixelSource":
        """Look at the stack as these planes."""
        from focusfix.operations.images import ReaderSource

        return ReaderSource(self.refocusing.reader, planes)


def _place(coordinates: Mapping[str, int]) -> frozenset[tuple[str, int]]:
    return frozenset(coordinates.items())


def sharpest_level(reader: "ImageReader", channel: int) -> int:
    """Find the z-level of a channel that is sharpest in its middle."""
    from focusfix.metrics.focus import LEAST_SIZE_PX, rank_focus

    rows, columns = (middle_slice(size) for size in reader.metadata.shape_yx)
    planes = planes_of_channels(reader.metadata, (channel,))
    if len(planes) == 1 or min(reader.metadata.shape_yx) < LEAST_SIZE_PX:
        return 0
    return rank_focus(grey(reader.read_window(plane, rows, columns)) for plane in planes)[1]


def parse_level(text: str, count: int) -> int | None:
    """Read ``--z-level``: a level counted from 0, or None for the sharpest.

    Raises
    ------
    UsageError
        If it is neither, or not there.
    """
    if text == "auto":
        return None
    try:
        level = int(text)
    except ValueError:
        level = -1
    if not 0 <= level < count:
        raise UsageError(
            f"There is no z-level {text}: the image has {count}, counted from 0.",
            "Give --z-level a number that is there, or auto for the sharpest.",
        )
    return level
