"""Find out how a data set is laid out on disk, and index its focal series."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from focusfix.data.focus_series import FocusSeries, check_series, join_names
from focusfix.data.image_files import list_images
from focusfix.data.manifest import index_manifest
from focusfix.data.pair_folders import (
    are_pairs,
    find_pair_folders,
    index_pairs,
    index_single_images,
)
from focusfix.data.plane_folders import find_plane_folders, index_plane_folders
from focusfix.data.stack_files import index_stacks
from focusfix.errors import InputError, UsageError
from focusfix.io.plates import list_fields
from focusfix.io.zarr_files import is_zarr

Layout = Literal["pair folders", "plane folders", "z-stacks", "manifest"]
MANIFEST_NAME = "manifest.csv"

_WHAT_IS_READ = (
    "focusfix trains on a folder with one z-stack per field, folders z_00, z_01, ... with one "
    "plane each, two folders such as out_of_focus and in_focus, a CSV manifest, an OME-Zarr plate, "
    "or, with --simulate, sharp images."
)


@dataclass(frozen=True)
class SeriesIndex:
    """The focal series of a data set.

    Parameters
    ----------
    layout : {"pair folders", "plane folders", "z-stacks", "manifest"}
        How the data lie on disk.
    series : tuple of FocusSeries
        Checked, sorted by field, channel and time.
    notes : tuple of str
        What the user should know of how the data were understood.
    """

    layout: Layout
    series: tuple[FocusSeries, ...]
    notes: tuple[str, ...] = ()


def index_data(
    data: Path,
    *,
    in_focus: Path | None = None,
    pattern: str | None = None,
    axes: str | None = None,
    channels: Sequence[str] = (),
    focal_level: str = "auto",
) -> SeriesIndex:
    """Find the focal series of a data set, whatever its layout.

    Parameters
    ----------
    data : Path
        Folder, manifest (``.csv``), OME-Zarr plate or a single z-stack.
    in_focus : Path, optional
        Folder with the in-focus images; ``data`` then holds the out-of-focus images.
    pattern : str, optional
        Glob that the names of image files must match.
    axes : str, optional
        Axes to read the files with instead of those that they state.
    channels : sequence of str
        Channels to keep, by name or number; empty for all.
    focal_level : str
        Number of the z-level in focus; "sharpest" to find it in each series; "auto" to take
        what the layout declares and to find it otherwise.

    Returns
    -------
    SeriesIndex

    Raises
    ------
    InputError
        If no layout is recognised or the series cannot be trained on.
    UsageError
        If ``focal_level`` makes no sense for the data.
    """
    found = _index_layout(data, in_focus, pattern, axes)
    kept = _keep_channels(found.series, channels)
    declared = declare_focal_level(replace(found, series=kept), focal_level)
    ordered = tuple(sorted(declared, key=lambda each: natural_order(each.name)))
    check_series(ordered)
    return replace(found, series=ordered)


@dataclass(frozen=True)
class UnpairedFolders:
    """Images out of focus and others in focus, of different fields.

    Parameters
    ----------
    out_of_focus, in_focus : tuple of FocusSeries
        Series of one level each.
    """

    out_of_focus: tuple[FocusSeries, ...]
    in_focus: tuple[FocusSeries, ...]


def index_unpaired(
    data: Path,
    *,
    in_focus: Path | None = None,
    pattern: str | None = None,
    axes: str | None = None,
    channels: Sequence[str] = (),
) -> UnpairedFolders | None:
    """Find images out of focus and in focus that are no pairs.

    Parameters
    ----------
    data, in_focus, pattern, axes, channels
        As for :func:`index_data`.

    Returns
    -------
    UnpairedFolders or None
        None if the data have another layout, or are pairs after all.

    Raises
    ------
    InputError
        If there is no such folder, or an image cannot be read.
    UsageError
        If a channel is not in both folders.
    """
    if in_focus is not None:
        folders = data, in_focus
    elif data.is_dir() and not is_zarr(data) and not (data / MANIFEST_NAME).is_file():
        found = find_pair_folders(data)
        if found is None:
            return None
        folders = found
    else:
        return None
    if are_pairs(*folders, pattern):
        return None
    blurry, sharp = (
        _keep_channels(index_single_images(folder, side, pattern, axes), channels)
        for folder, side in zip(folders, ("out_of_focus", "in_focus"), strict=True)
    )
    return UnpairedFolders(blurry, sharp)


def natural_order(name: str) -> list[tuple[int, int, str]]:
    """Sort key for names with numbers in them: ``z_9`` comes before ``z_10``."""
    pieces = re.findall(r"\d+|\D+", name)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in pieces]


def _index_layout(
    data: Path, in_focus: Path | None, pattern: str | None, axes: str | None
) -> SeriesIndex:
    if not data.exists():
        raise InputError(f"{data} does not exist.", "Check the path and its spelling.")
    if in_focus is not None:
        return SeriesIndex("pair folders", index_pairs(data, in_focus, pattern, axes))
    if data.is_file():
        return _index_file(data, axes)
    if is_zarr(data):
        return _index_zarr(data, axes)
    return _index_folder(data, pattern, axes)


def _index_folder(data: Path, pattern: str | None, axes: str | None) -> SeriesIndex:
    if (data / MANIFEST_NAME).is_file():
        return _index_file(data / MANIFEST_NAME, axes)
    levels = find_plane_folders(data)
    if levels:
        return SeriesIndex("plane folders", index_plane_folders(levels, pattern, axes))
    pair = find_pair_folders(data)
    if pair is not None:
        return SeriesIndex("pair folders", index_pairs(*pair, pattern, axes))
    stacks = list_images(data, pattern)
    if not stacks:
        wanted = f"image that matches {pattern}" if pattern else "TIFF, PNG, JPEG or OME-Zarr image"
        raise InputError(f"{data} holds no {wanted}.", _WHAT_IS_READ)
    return SeriesIndex("z-stacks", index_stacks(stacks, data, axes))


def _index_file(data: Path, axes: str | None) -> SeriesIndex:
    if data.suffix.lower() == ".csv":
        series, notes = index_manifest(data, axes)
        return SeriesIndex("manifest", series, notes)
    return SeriesIndex("z-stacks", index_stacks([data], data.parent, axes))


def _index_zarr(data: Path, axes: str | None) -> SeriesIndex:
    fields = list_fields(data)
    stacks, folder = ([data], data.parent) if fields is None else (fields, data)
    return SeriesIndex("z-stacks", index_stacks(stacks, folder, axes))


def _keep_channels(
    series: tuple[FocusSeries, ...], wanted: Sequence[str]
) -> tuple[FocusSeries, ...]:
    if not wanted:
        return series
    names = sorted({each.channel for each in series}, key=natural_order)
    chosen = set()
    for channel in wanted:
        if channel in names:
            chosen.add(channel)
        elif channel.isdecimal() and int(channel) < len(names):
            chosen.add(names[int(channel)])
        else:
            raise UsageError(
                f"There is no channel {channel!r} in the data.",
                f"The channels are: {join_names(name or '0' for name in names)}.",
            )
    return tuple(each for each in series if each.channel in chosen)


def declare_focal_level(index: SeriesIndex, focal_level: str) -> tuple[FocusSeries, ...]:
    """Apply the user's wish for the focal level to the series of an index.

    Parameters
    ----------
    index : SeriesIndex
        With the levels that the layout declares.
    focal_level : str
        "auto", "sharpest" or a number.

    Returns
    -------
    tuple of FocusSeries
        With ``focal_level`` set, or None where it has to be found.

    Raises
    ------
    UsageError
        If it is something else, or the data are pairs, whose focal level is given.
    """
    if focal_level == "auto":
        return index.series
    if index.layout == "pair folders":
        raise UsageError(
            "--focal-level has no meaning for pair folders: the in-focus images are given.",
            "Leave --focal-level out.",
        )
    if focal_level != "sharpest" and not focal_level.isdecimal():
        raise UsageError(
            f"--focal-level takes auto, sharpest or a z-level, not {focal_level!r}.",
            "Leave it out to take the sharpest plane of each field.",
        )
    level = None if focal_level == "sharpest" else int(focal_level)
    return tuple(replace(each, focal_level=level) for each in index.series)
