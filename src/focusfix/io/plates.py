"""Plates of OME-Zarr images: their fields, one by one, and the metadata that hold them together."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from focusfix.errors import InputError, OutputError, UsageError
from focusfix.io.zarr_files import ZARR_SUFFIX, ZarrNode, is_zarr, read_node, write_group

_FIELD_DEPTH = 3
"""Folders from a plate down to a field: row, column, field."""


def list_fields(path: Path) -> list[Path] | None:
    """List the images of a plate.

    Parameters
    ----------
    path : Path
        Zarr folder.

    Returns
    -------
    list of Path
        Folders of the fields, well by well in the order of the plate; a well that is not there
        stands for its fields. None if the folder is no plate.

    Raises
    ------
    InputError
        If its metadata are broken, or it has no wells.
    """
    plate = _plate_of(read_node(path))
    if plate is None:
        return None
    fields: list[Path] = []
    for well in _well_paths(path, plate):
        if is_zarr(path / well):
            fields += [path / well / name for name in _image_paths(path / well)]
        else:
            fields.append(path / well)
    if not fields:
        raise InputError(f"{path} is a plate without wells.", "Write it again, or give an image.")
    return fields


def name_well(field: Path) -> str | None:
    """Name the well that an image is a field of, as ROW/COLUMN.

    Parameters
    ----------
    field : Path
        Image.

    Returns
    -------
    str or None
        None if the folder that the image lies in is no well.

    Raises
    ------
    InputError
        If its metadata are broken.
    """
    well = field.absolute().parent
    if not is_zarr(well) or "well" not in read_node(well).ome:
        return None
    return f"{well.parent.name}/{well.name}"


def name_fields(plate: Path, fields: Iterable[Path], target: Path) -> list[Path]:
    """Name the outputs of the fields of a plate, which make up a plate again.

    Parameters
    ----------
    plate : Path
        The plate.
    fields : iterable of Path
        Its fields.
    target : Path
        Output plate.

    Returns
    -------
    list of Path
        One for each field.

    Raises
    ------
    UsageError
        If the output has no name of an OME-Zarr folder.
    OutputError
        If it exists and is something else than a plate.
    """
    if target.suffix.lower() != ZARR_SUFFIX:
        raise UsageError(
            f"{plate} is a plate of many images, which do not fit into {target}.",
            "Give an output name that ends with .zarr, such as -o out.zarr or 'out/{stem}.zarr'.",
        )
    node = read_node(target) if is_zarr(target) else None
    is_image = node is not None and (node.is_array or "multiscales" in node.ome)
    if target.is_file() or is_image:
        raise OutputError(
            f"{target} exists already and is no plate.", "Give another name for the output."
        )
    return [target / field.relative_to(plate) for field in fields]


def complete_plates(pairs: Iterable[tuple[Path, Path]]) -> list[Path]:
    """Write the metadata of the plates whose fields were written, listing those that are there.

    A plate becomes one by this: until then its fields are images in plain folders. It may be
    done again when more fields are there, and by several processes.

    Parameters
    ----------
    pairs : iterable of (Path, Path)
        Inputs and outputs of a run; those that are no fields of plates are passed over.

    Returns
    -------
    list of Path
        Plates that were completed.

    Raises
    ------
    OutputError
        If the metadata cannot be written.
    """
    plates: dict[Path, Path] = {}
    for source, target in pairs:
        roots = _plate_roots(source, target)
        if roots is not None:
            plates[roots[1]] = roots[0]
    return [target for target, source in plates.items() if _complete_plate(source, target)]


def _plate_roots(source: Path, target: Path) -> tuple[Path, Path] | None:
    """Find the plates that an input and its output are fields of."""
    if len(source.parents) < _FIELD_DEPTH or len(target.parents) < _FIELD_DEPTH:
        return None
    above, root = source.parents[_FIELD_DEPTH - 1], target.parents[_FIELD_DEPTH - 1]
    same_place = source.parts[-_FIELD_DEPTH:] == target.parts[-_FIELD_DEPTH:]
    if root.suffix.lower() != ZARR_SUFFIX or not same_place or not is_zarr(above):
        return None
    return above, root


def _complete_plate(source: Path, target: Path) -> bool:
    node = read_node(source)
    plate = _plate_of(node)
    if plate is None:
        return False
    done = _list_done(source, target, plate)
    if not done:
        return False
    while True:
        _write_plate(target, plate, done)
        # Another process may have listed, written or finished fields in the meantime.
        now = _list_done(source, target, plate)
        if now == done:
            return True
        done = now


def _list_done(
    source: Path, target: Path, plate: Mapping[str, Any]
) -> dict[str, list[Mapping[str, Any]]]:
    """List the images of each well that were written; wells without any are left out."""
    found = {}
    for well in _well_paths(source, plate):
        images = _well_images(source / well) if is_zarr(source / well) else []
        done = [image for image in images if is_zarr(target / well / image["path"])]
        if done:
            found[well] = done
    return found


def _write_plate(
    target: Path, plate: Mapping[str, Any], done: Mapping[str, list[Mapping[str, Any]]]
) -> None:
    first = next(iter(done))
    zarr_format = read_node(target / first / done[first][0]["path"]).zarr_format
    for well, images in done.items():
        write_group((target / well).parent, zarr_format, {})
        entry = _in_version({"well": {"images": images}}, zarr_format)
        write_group(target / well, zarr_format, entry)
    wells = [_numbered(well, plate) for well in plate["wells"] if well["path"] in done]
    write_group(target, zarr_format, _in_version({"plate": {**plate, "wells": wells}}, zarr_format))


def _in_version(entries: Mapping[str, Mapping[str, Any]], zarr_format: int) -> dict[str, Any]:
    """Put metadata where their version of OME-Zarr has them, and state the version."""
    if zarr_format == 3:
        bare = {
            key: {name: value for name, value in entry.items() if name != "version"}
            for key, entry in entries.items()
        }
        return {"ome": {"version": "0.5", **bare}}
    return {key: {**entry, "version": "0.4"} for key, entry in entries.items()}


def _numbered(well: Mapping[str, Any], plate: Mapping[str, Any]) -> dict[str, Any]:
    """Add the row and column of a well where old metadata lack them."""
    row, column = well["path"].split("/")[:2]
    found = dict(well)
    for key, name, axis in (("rowIndex", row, "rows"), ("columnIndex", column, "columns")):
        names = [entry.get("name") for entry in plate.get(axis, ()) if isinstance(entry, dict)]
        if key not in found and name in names:
            found[key] = names.index(name)
    return found


def _plate_of(node: ZarrNode) -> Mapping[str, Any] | None:
    plate = node.ome.get("plate")
    return plate if isinstance(plate, dict) else None


def _well_paths(path: Path, plate: Mapping[str, Any]) -> list[str]:
    wells = plate.get("wells")
    listed = wells if isinstance(wells, list) else [None]
    paths = [well.get("path") if isinstance(well, dict) else None for well in listed]
    found = [well for well in paths if isinstance(well, str) and well.count("/") == 1]
    if len(found) != len(paths):
        raise InputError(
            f"{path} has broken OME-Zarr metadata: its wells are not listed as ROW/COLUMN.",
            "Write the plate again with the program that made it.",
        )
    return found


def _image_paths(well: Path) -> list[str]:
    return [image["path"] for image in _well_images(well)]


def _well_images(well: Path) -> list[Mapping[str, Any]]:
    inside = read_node(well).ome.get("well")
    images = inside.get("images") if isinstance(inside, dict) else None
    named = isinstance(images, list) and all(
        isinstance(image, dict) and isinstance(image.get("path"), str) for image in images
    )
    if not isinstance(images, list) or not named:
        raise InputError(
            f"{well} has broken OME-Zarr metadata: it does not list the images of the well.",
            "Write the plate again with the program that made it.",
        )
    return images
