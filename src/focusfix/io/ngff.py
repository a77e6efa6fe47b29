"""What OME-Zarr says of an image: which array holds it, its axes, pixel size and channels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from focusfix.errors import InputError
from focusfix.io.zarr_files import ZarrNode, list_groups, read_node

READ_VERSIONS = ("0.1", "0.2", "0.3", "0.4", "0.5")
"""Versions of OME-Zarr that are read."""

_ALL_AXES = "tczyx"
_KINDS = {"time": "T", "channel": "C"}
_KNOWN_ATTRIBUTES = {"multiscales", "omero", "ome", "version", "bioformats2raw.layout"}


@dataclass(frozen=True)
class NgffImage:
    """One multiscale image.

    Parameters
    ----------
    path : Path
        Its group.
    version : str
        Version of OME-Zarr.
    axes : str
        One letter for each stored dimension; one that is not known has the letter "Q".
    units : tuple of (str or None)
        Unit of each axis.
    levels : tuple of str
        Arrays of the pyramid, from the largest on.
    scale : tuple of float, optional
        Distance of neighbours along each axis, in its unit; None where it is not stated.
    name : str, optional
        Name of the image.
    omero : Mapping
        How channels are shown; empty if that is not stated.
    notes : tuple of str
        What the user should know.
    """

    path: Path
    version: str
    axes: str
    units: tuple[str | None, ...]
    levels: tuple[str, ...]
    scale: tuple[float, ...] | None
    name: str | None
    omero: Mapping[str, Any]
    notes: tuple[str, ...]


def read_image_group(path: Path) -> NgffImage:
    """Read the metadata of an image.

    Parameters
    ----------
    path : Path
        Group of a multiscale image, or one made by bioformats2raw, whose first image is taken.

    Returns
    -------
    NgffImage
        The first multiscale image of the group.

    Raises
    ------
    InputError
        If it is a plate, a bare array or no image; or its version is not read, or its metadata
        are broken.
    """
    node = read_node(path)
    notes: list[str] = []
    if not node.ome.get("multiscales"):
        path, node = _find_image(path, node, notes)
    multiscales = node.ome["multiscales"]
    if not isinstance(multiscales, list) or not isinstance(multiscales[0], dict):
        _refuse(path, "multiscales is no list of objects")
    if len(multiscales) > 1:
        notes.append(f"the group holds {len(multiscales)} images; the first one is read")
    first = multiscales[0]
    version = _read_version(path, node, first)
    letters, units = _read_axes(path, first)
    levels, scale = _read_levels(path, first, len(letters))
    notes += _left_out(path, node, levels)
    omero = node.ome.get("omero")
    return NgffImage(
        path=path,
        version=version,
        axes=letters,
        units=units,
        levels=levels,
        scale=scale,
        name=first["name"] if isinstance(first.get("name"), str) else None,
        omero=omero if isinstance(omero, dict) else {},
        notes=tuple(notes),
    )


def _find_image(path: Path, node: ZarrNode, notes: list[str]) -> tuple[Path, ZarrNode]:
    """Find the image in a group that is none itself, or say what the group is."""
    if node.ome.get("bioformats2raw.layout") or node.attributes.get("bioformats2raw.layout"):
        names = sorted((name for name in list_groups(path) if name.isdecimal()), key=int)
        if names:
            if len(names) > 1:
                notes.append(f"it holds {len(names)} images; the first one, {names[0]}, is read")
            inner = path / names[0]
            found = read_node(inner)
            if found.ome.get("multiscales"):
                return inner, found
    if node.ome.get("plate"):
        raise InputError(
            f"{path} is a plate of many images, not one image.",
            f"Give one of its fields, such as {path / 'A' / '1' / '0'}; deblur, synthesize-blur, "
            "score and info take plates whole.",
        )
    if node.is_array:
        raise InputError(
            f"{path} is a Zarr array without the metadata of OME-Zarr.",
            "Give the group above it, if that is an image, or convert it to OME-Zarr or TIFF.",
        )
    raise InputError(
        f"{path} is a Zarr group without an OME-Zarr image.",
        "Give the folder of an image; its metadata have the entry multiscales.",
    )


def _read_version(path: Path, node: ZarrNode, multiscale: Mapping[str, Any]) -> str:
    stated = multiscale.get("version") or node.ome.get("version")
    version = str(stated or ("0.5" if node.zarr_format == 3 else "0.4"))
    if version not in READ_VERSIONS:
        raise InputError(
            f"{path} is OME-Zarr {version}, which focusfix does not read.",
            f"Convert it to one of the versions {', '.join(READ_VERSIONS)}.",
        )
    return version


def _read_axes(path: Path, multiscale: Mapping[str, Any]) -> tuple[str, tuple[str | None, ...]]:
    """Read letters and units; before version 0.3 all images have the same five axes."""
    axes = multiscale.get("axes", list(_ALL_AXES))
    if not isinstance(axes, list) or not axes:
        _refuse(path, "axes is no list")
    letters, units = [], []
    for axis in axes:
        entry = {"name": axis} if isinstance(axis, str) else axis
        if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
            _refuse(path, f"the axis {axis!r} has no name")
        name, kind = entry["name"].lower(), entry.get("type")
        known = name.upper() if len(name) == 1 and name in _ALL_AXES else _KINDS.get(str(kind), "Q")
        letters.append(known)
        units.append(entry.get("unit") if isinstance(entry.get("unit"), str) else None)
    named = [letter for letter in letters if letter != "Q"]
    if len(set(named)) != len(named) or not {"Y", "X"} <= set(named):
        _refuse(path, f"its axes are {', '.join(letters)}, without one y and one x")
    return "".join(letters), tuple(units)


def _read_levels(
    path: Path, multiscale: Mapping[str, Any], n_axes: int
) -> tuple[tuple[str, ...], tuple[float, ...] | None]:
    datasets = multiscale.get("datasets")
    if not isinstance(datasets, list) or not datasets:
        _refuse(path, "datasets is no list of arrays")
    levels = []
    for dataset in datasets:
        if not isinstance(dataset, dict) or not isinstance(dataset.get("path"), str):
            _refuse(path, "an array of datasets has no path")
        levels.append(dataset["path"])
    scale: tuple[float, ...] | None = None
    for holder in (datasets[0], multiscale):
        for factors in _scales(path, holder, n_axes):
            scale = tuple(a * b for a, b in zip(scale or (1.0,) * n_axes, factors, strict=True))
    return tuple(levels), scale


def _scales(path: Path, holder: Mapping[str, Any], n_axes: int) -> list[Sequence[float]]:
    """List the scale transformations of an array, or of all arrays."""
    found: list[Sequence[float]] = []
    for transformation in holder.get("coordinateTransformations") or ():
        if not isinstance(transformation, dict) or transformation.get("type") != "scale":
            continue
        factors = transformation.get("scale")
        numbers = isinstance(factors, list) and all(
            isinstance(each, int | float) and not isinstance(each, bool) for each in factors
        )
        if not isinstance(factors, list) or not numbers or len(factors) != n_axes:
            _refuse(path, f"the scale {factors!r} does not have a number for each of {n_axes} axes")
        found.append(factors)
    return found


def _left_out(path: Path, node: ZarrNode, levels: Sequence[str]) -> list[str]:
    """Say what is in the group beside the image, and stays behind."""
    names = {level.split("/", 1)[0] for level in levels}
    others = [name for name in list_groups(path) if name not in names]
    notes = []
    if others:
        notes.append(f"{', '.join(others)} beside the image: not read, and not copied to outputs")
    keys = {*node.attributes, *node.ome} - _KNOWN_ATTRIBUTES
    if keys:
        notes.append(f"the attributes {', '.join(sorted(keys))} are not copied to outputs")
    return notes


def _refuse(path: Path, what: str) -> NoReturn:
    raise InputError(
        f"{path} has broken OME-Zarr metadata: {what}.",
        "Write it again with the program that made it, or convert it with bioformats2raw.",
    )
