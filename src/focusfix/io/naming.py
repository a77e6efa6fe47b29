"""Names of output files made from those of the inputs."""

import os
from collections.abc import Sequence
from pathlib import Path
from string import Formatter

from focusfix.errors import UsageError
from focusfix.io.image import IMAGE_SUFFIXES, TIFF_SUFFIXES
from focusfix.io.zarr_files import ZARR_SUFFIX

_TEMPLATE_WORDS = ("stem", "name", "parent")


def name_targets(sources: Sequence[Path], output: str, *, several: bool) -> list[Path]:
    """Name the output file of every input.

    Parameters
    ----------
    sources : sequence of Path
        Input images.
    output : str
        A file, a folder (an existing one, or a name that ends with a slash), or a template with
        ``{stem}`` (name without suffix), ``{name}`` (name with suffix) and ``{parent}`` (name of
        the input's folder). In a folder outputs keep the names of TIFF and OME-Zarr inputs;
        others end with ``.tif``.
    several : bool
        Whether the inputs may be more than one, so that the output cannot be one file.

    Returns
    -------
    list of Path
        One output for each input.

    Raises
    ------
    UsageError
        If the template is not valid, or the output is one file for several inputs.
    """
    if "{" in output:
        return [_fill(output, source) for source in sources]
    folder = Path(output)
    is_folder = folder.is_dir() and not names_image(output)
    if not (is_folder or is_folder_name(output) or several):
        return [folder]
    if several and not is_folder and names_image(output):
        raise UsageError(
            f"{output} names one file, but the input is a folder, a list or several files.",
            "Give a folder, or a template such as out/{stem}.tif.",
        )
    return [folder / _output_name(source) for source in sources]


def is_folder_name(output: str) -> bool:
    """Return whether a name ends like that of a folder of images, whether or not it exists."""
    return output.endswith(("/", os.sep)) and Path(output).suffix.lower() != ZARR_SUFFIX


def names_image(output: str) -> bool:
    """Return whether a name is that of one image, which for OME-Zarr is a folder."""
    path = Path(output)
    if path.is_dir() and path.suffix.lower() in IMAGE_SUFFIXES:
        return False
    return bool(_split_name(path.name)[1])


def _output_name(source: Path) -> str:
    stem, suffix = _split_name(source.name)
    keeps = suffix.lower().endswith((*TIFF_SUFFIXES, ZARR_SUFFIX))
    return source.name if keeps else f"{stem}.tif"


def _fill(template: str, source: Path) -> Path:
    values = {
        "stem": image_stem(source),
        "name": source.name,
        "parent": source.absolute().parent.name,
    }
    try:
        fields = [field for _, field, _, _ in Formatter().parse(template) if field is not None]
        if not fields or any(field not in _TEMPLATE_WORDS for field in fields):
            raise KeyError
        return Path(template.format(**values))
    except (KeyError, ValueError, IndexError):
        raise UsageError(
            f"The output template {template} is not valid.",
            "Use {stem}, {name} or {parent}, for example out/{stem}.tif.",
        ) from None


def image_stem(path: str | os.PathLike[str]) -> str:
    """Return the name without the suffix of an image; other dots in the name stay.

    Parameters
    ----------
    path : path-like
        Image file.

    Returns
    -------
    str
        "a.b.c" for "a.b.c.tif", "cells" for "cells.ome.tif" or "cells.ome.zarr", "plate.7" for
        "plate.7".

    Examples
    --------
    >>> image_stem("plate/a.b.c.ome.tif")
    'a.b.c'
    """
    return _split_name(Path(path).name)[0]


def display_name(path: Path) -> str:
    """Name an image for progress: a file by its name, the field of a plate from the plate on.

    Parameters
    ----------
    path : Path
        Image.

    Returns
    -------
    str
        "cells.tif", or "plate.zarr/A/1/0".

    Examples
    --------
    >>> display_name(Path("screen/plate.zarr/A/1/0"))
    'plate.zarr/A/1/0'
    """
    for folder in path.parents:
        if folder.suffix.lower() == ZARR_SUFFIX:
            return path.relative_to(folder.parent).as_posix()
    return path.name


def _split_name(name: str) -> tuple[str, str]:
    for suffix in (*IMAGE_SUFFIXES, ZARR_SUFFIX):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            stem = name[: -len(suffix)]
            if (
                suffix in (*TIFF_SUFFIXES, ZARR_SUFFIX)
                and stem.lower().endswith(".ome")
                and len(stem) > len(".ome")
            ):
                stem = stem[: -len(".ome")]
            return stem, name[len(stem) :]
    return name, ""
