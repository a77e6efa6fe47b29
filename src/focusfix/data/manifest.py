"""Layout: a CSV file that lists every plane."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from focusfix.data.focus_series import FocusSeries, PlaneSource, join_names
from focusfix.data.image_files import intensity_samples, read_metadata
from focusfix.errors import InputError
from focusfix.io.image import ImageMetadata

REQUIRED_COLUMNS = ("path", "field", "z_index")
OPTIONAL_COLUMNS = ("channel", "z_um", "split", "well", "plane", "focal_level")

Row = Mapping[str, str]


@dataclass(frozen=True)
class _Plane:
    """One row of the manifest, read."""

    source: PlaneSource
    z_level: int
    row: Row
    line: int


def index_manifest(
    path: Path, axes: str | None = None
) -> tuple[tuple[FocusSeries, ...], tuple[str, ...]]:
    """Index the planes that a CSV file lists.

    Parameters
    ----------
    path : Path
        With the columns ``path`` (relative to the manifest), ``field`` and ``z_index``, and
        optionally ``channel``, ``z_um``, ``split``, ``well``, ``plane`` (position in a file of
        several planes; left out, it is that of the channel) and ``focal_level`` (the z_index in
        focus).
    axes : str, optional
        Axes to read the files with instead of those that they state.

    Returns
    -------
    series : tuple of FocusSeries
        One for each field and channel.
    notes : tuple of str
        Columns that were not used.

    Raises
    ------
    InputError
        If a column is missing, a value is not a number, a file is missing, or the rows of a
        series contradict each other.
    """
    rows, columns = _read_rows(path)
    groups: dict[tuple[str, str], list[_Plane]] = {}
    for line, row in enumerate(rows, 2):
        plane = _plane_of(path, row, line, axes)
        groups.setdefault((row["field"], row.get("channel", "")), []).append(plane)
    metadata = read_metadata([p.source.path for planes in groups.values() for p in planes], axes)
    series = tuple(_series_of(path, planes, metadata) for planes in groups.values())
    unused = [name for name in columns if name not in REQUIRED_COLUMNS + OPTIONAL_COLUMNS]
    notes = (f"{path}: the columns {join_names(unused)} are not used.",) if unused else ()
    return series, notes


def _read_rows(path: Path) -> tuple[list[Row], list[str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            rows: list[Row] = [
                {k: (v or "").strip() for k, v in row.items() if k} for row in reader
            ]
            columns = list(reader.fieldnames or ())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path} cannot be read as CSV: {error}.", "Save it as comma-separated UTF-8 text."
        ) from error
    missing = [name for name in REQUIRED_COLUMNS if name not in columns]
    if missing:
        raise InputError(
            f"{path} has no column {join_names(missing)}.",
            f"A manifest has the columns {', '.join(REQUIRED_COLUMNS)} and may have "
            f"{', '.join(OPTIONAL_COLUMNS)}.",
        )
    if not rows:
        raise InputError(f"{path} lists no planes.", "Add one row for each plane.")
    return rows, columns


def _plane_of(path: Path, row: Row, line: int, axes: str | None) -> _Plane:
    for column in REQUIRED_COLUMNS:
        if not row.get(column):
            raise InputError(f"{path}, line {line}: {column} is empty.", "Fill it in.")
    position = _integer(path, line, row, "plane") if row.get("plane") else 0
    source = PlaneSource(path.parent / row["path"], position, axes)
    return _Plane(source, _integer(path, line, row, "z_index"), row, line)


def _integer(path: Path, line: int, row: Row, column: str) -> int:
    try:
        return int(row[column])
    except ValueError:
        raise InputError(
            f"{path}, line {line}: {column} must be a whole number, not {row[column]!r}.",
            "Correct the value.",
        ) from None


def _series_of(
    path: Path, planes: Sequence[_Plane], metadata: Mapping[Path, ImageMetadata]
) -> FocusSeries:
    ordered = sorted(planes, key=lambda plane: plane.z_level)
    first = metadata[ordered[0].source.path]
    sources = tuple(_locate(path, p, metadata[p.source.path], first) for p in ordered)
    size, row = first.pixel_size_um, ordered[0].row
    focal_level = _agreed(path, ordered, "focal_level")
    if focal_level is not None:
        focal_level = str(_integer(path, ordered[0].line, row, "focal_level"))
    return FocusSeries(
        field=row["field"],
        channel=row.get("channel", ""),
        planes=sources,
        z_levels=tuple(plane.z_level for plane in ordered),
        shape_yx=first.shape_yx,
        samples=intensity_samples(first),
        well=_agreed(path, ordered, "well"),
        z_um=_heights(path, ordered),
        pixel_size_um=size[0] if size else None,
        focal_level=None if focal_level is None else int(focal_level),
        split=_agreed(path, ordered, "split"),
    )


def _locate(
    path: Path, plane: _Plane, metadata: ImageMetadata, expected: ImageMetadata
) -> PlaneSource:
    """Find the plane that a row means in its file, and check its shape."""
    where = f"{path}, line {plane.line}: {plane.source.path}"
    found = (metadata.shape_yx, intensity_samples(metadata))
    if found != (expected.shape_yx, intensity_samples(expected)):
        raise InputError(
            f"{where} is {metadata.shape_yx[0]} x {metadata.shape_yx[1]} pixels; the field "
            f"{plane.row['field']} has {expected.shape_yx[0]} x {expected.shape_yx[1]}.",
            "All planes of a field must have the same shape.",
        )
    if metadata.n_planes == 1 or plane.row.get("plane"):
        position = plane.source.plane
    else:
        position = _position_of_channel(metadata, plane.row.get("channel", ""))
    if not 0 <= position < metadata.n_planes:
        raise InputError(
            f"{where} holds {metadata.n_planes} planes ({metadata.axes}); which one is meant is "
            "not said, or it is not there.",
            "Add a column named plane, counted from 0.",
        )
    return replace(plane.source, plane=position)


def _position_of_channel(metadata: ImageMetadata, channel: str) -> int:
    """Find the plane of a channel in a file that has one plane for each; -1 if it is unclear."""
    if metadata.n_planes != metadata.axis_size("C"):
        return -1
    names = metadata.channel_names or ()
    if channel in names:
        return names.index(channel)
    return int(channel) if channel.isdecimal() else -1


def _agreed(path: Path, planes: Sequence[_Plane], column: str) -> str | None:
    """Return what all rows of a series say; None if they say nothing."""
    values = {plane.row.get(column) or None for plane in planes}
    if len(values) > 1:
        found = join_names(sorted(str(value or "nothing") for value in values))
        raise InputError(
            f"{path}: the rows of field {planes[0].row['field']} disagree on {column}: {found}.",
            f"Give all rows of a field the same {column}.",
        )
    return values.pop()


def _heights(path: Path, planes: Sequence[_Plane]) -> tuple[float, ...] | None:
    texts = [plane.row.get("z_um", "") for plane in planes]
    if not all(texts):
        return None
    try:
        return tuple(float(text) for text in texts)
    except ValueError as error:
        raise InputError(
            f"{path}: z_um of field {planes[0].row['field']} is not a number ({error}).",
            "Give heights in micrometres.",
        ) from None
