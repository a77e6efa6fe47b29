"""A focal series: one place of the sample, in one channel, at several heights; paths only."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from focusfix.errors import InputError

SPLITS = ("train", "validation", "test")
"""Names of the parts that data are split into."""

_MOST_NAMES = 5


@dataclass(frozen=True)
class PlaneSource:
    """Where one plane is stored.

    Parameters
    ----------
    path : Path
        Image file.
    plane : int
        Position of the plane in the file, C-order over the axes other than Y, X and S.
    axes : str, optional
        Axes to read the file with instead of those that it states.
    """

    path: Path
    plane: int = 0
    axes: str | None = None


@dataclass(frozen=True)
class FocusSeries:
    """All planes of one field of view, in one channel and at one time.

    Parameters
    ----------
    field : str
        Name of the place; all channels and times of a place share it.
    channel : str
        Name of the channel, "" where there is only one.
    planes : tuple of PlaneSource
        In the order of ``z_levels``.
    z_levels : tuple of int
        Index of each plane along z, strictly ascending.
    shape_yx : tuple of int
        Height and width of every plane; pixels.
    samples : int
        Colour samples of a pixel that hold intensities; 1 for grey, 3 for RGB.
    frame : int
        Index in time.
    well : str, optional
        Well of the plate.
    z_um : tuple of float, optional
        Height of each plane; micrometres.
    pixel_size_um : float, optional
        Side of a pixel in the sample; micrometres.
    focal_level : int, optional
        The z-level in focus, where it is declared; one of ``z_levels``.
    split : str, optional
        "train", "validation" or "test", where it is declared.
    """

    field: str
    channel: str
    planes: tuple[PlaneSource, ...]
    z_levels: tuple[int, ...]
    shape_yx: tuple[int, int]
    samples: int = 1
    frame: int = 0
    well: str | None = None
    z_um: tuple[float, ...] | None = None
    pixel_size_um: float | None = None
    focal_level: int | None = None
    split: str | None = None

    @property
    def name(self) -> str:
        """Field, channel and time as one name that no other series of the data has."""
        parts = [self.field, self.channel, f"t{self.frame}" if self.frame else ""]
        return " ".join(part for part in parts if part)

    def plane_at(self, z_level: int) -> PlaneSource:
        """Return the plane of a z-level; ValueError if the series does not have it."""
        return self.planes[self.z_levels.index(z_level)]


def check_series(series: Sequence[FocusSeries]) -> None:
    """Refuse focal series that cannot be trained on.

    Parameters
    ----------
    series : sequence of FocusSeries
        All series of the data.

    Raises
    ------
    InputError
        If there is none, one has a single level, its levels are not ascending, a declared focal
        level is not among them, two series have the same name, or the declared splits share a
        field or are not declared for all.
    """
    if not series:
        raise InputError("No focal series was found.", "Check the folder that was given.")
    for each in series:
        _check_levels(each)
    doubled = [name for name, n in Counter(each.name for each in series).items() if n > 1]
    if doubled:
        raise InputError(
            f"Two focal series have the same name: {join_names(doubled)}.",
            "Give every field and channel a name of its own.",
        )
    _check_splits(series)


def _check_levels(series: FocusSeries) -> None:
    first = series.planes[0].path if series.planes else Path()
    if len(series.z_levels) < 2:
        raise InputError(
            f"{first}: the field {series.name} has {len(series.z_levels)} z-level(s); "
            "training needs at least two, one of them in focus.",
            "Give z-stacks with several planes; if the axes were misread, state them with --axes.",
        )
    if any(b <= a for a, b in zip(series.z_levels, series.z_levels[1:], strict=False)):
        raise InputError(
            f"{first}: the z-levels of the field {series.name} are not strictly ascending.",
            "List every z-level once.",
        )
    if series.focal_level is not None and series.focal_level not in series.z_levels:
        raise InputError(
            f"The field {series.name} has no z-level {series.focal_level} "
            f"(it has {series.z_levels[0]} to {series.z_levels[-1]}).",
            "Give a --focal-level that every field has, or --focal-level sharpest.",
        )


def _check_splits(series: Sequence[FocusSeries]) -> None:
    declared: dict[str, set[str | None]] = {}
    for each in series:
        declared.setdefault(each.field, set()).add(each.split)
    shared = sorted(field for field, splits in declared.items() if len(splits) > 1)
    if shared:
        raise InputError(
            f"These fields are in more than one split: {join_names(shared)}.",
            "Give all rows of a field the same split.",
        )
    found = {split for splits in declared.values() for split in splits}
    if None in found and len(found) > 1:
        without = sorted(field for field, splits in declared.items() if None in splits)
        raise InputError(
            f"Some fields have a split and others have none: {join_names(without)}.",
            "Declare the split of every field, or of none.",
        )
    unknown = sorted(str(split) for split in found if split not in (None, *SPLITS))
    if unknown:
        raise InputError(
            f"There is no split called {join_names(unknown)}.", f"Use {', '.join(SPLITS)}."
        )


def join_names(names: Iterable[str]) -> str:
    """List names for a message: the first five, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - _MOST_NAMES} more" if len(listed) > _MOST_NAMES else ""
    return ", ".join(listed[:_MOST_NAMES]) + more
