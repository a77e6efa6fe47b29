"""The files that a ladder of blur levels goes to: one stack, or one file for each level."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.alphas import create_folder, format_alpha
from focusfix.errors import OutputError, UsageError

if TYPE_CHECKING:
    from focusfix.io.image import ImageMetadata

_STACKABLE = {"YX", "YXS", "CYX", "CYXS"}
_PLAIN_FORMATS = {"tiff", "png", "jpeg"}


@dataclass(frozen=True)
class LadderFile:
    """One output and the levels in it.

    Parameters
    ----------
    target : Path
        File to write.
    alphas : tuple of float
        Its levels, in order.
    is_stack : bool
        Whether the levels are planes along z.
    """

    target: Path
    alphas: tuple[float, ...]
    is_stack: bool


def plan_files(output: str, sharper: Path, alphas: Sequence[float]) -> list[LadderFile]:
    """Name the files of a ladder, and create their folder.

    Parameters
    ----------
    output : str
        What the user gave: a file for one stack; a folder, or a template with ``{alpha}`` and
        maybe ``{stem}``, for one file of each level.
    sharper : Path
        The sharper image, after which files are named.
    alphas : sequence of float
        Levels.

    Returns
    -------
    list of LadderFile

    Raises
    ------
    UsageError
        If a template does not tell the levels apart.
    OutputError
        If the folder cannot be created.
    """
    from focusfix.io.naming import image_stem, names_image

    stem = image_stem(sharper)
    if "{alpha}" not in output and "{" in output and len(alphas) > 1:
        raise UsageError(
            f"The output template {output} gives all levels one name.",
            "Put {alpha} into it, for example out/{stem}_alpha{alpha}.tif.",
        )
    if "{alpha}" not in output and names_image(output):
        target = Path(_fill(output, stem, alphas[0]))
        return [LadderFile(target, tuple(alphas), is_stack=True)]
    template = output if "{" in output else str(Path(output) / "{stem}_alpha{alpha}.tif")
    files = [
        LadderFile(Path(_fill(template, stem, alpha)), (alpha,), is_stack=False) for alpha in alphas
    ]
    for folder in {file.target.parent for file in files}:
        create_folder(folder)
    return files


def check_files(
    files: Sequence[LadderFile], ends: Sequence[Path], metadata: "ImageMetadata", *, overwrite: bool
) -> None:
    """Find out before any work whether the files of a ladder can be written.

    Parameters
    ----------
    files : sequence of LadderFile
        Outputs.
    ends : sequence of Path
        Inputs, which are not replaced.
    metadata : ImageMetadata
        Of the sharper image.
    overwrite : bool
        Whether outputs may be replaced.

    Raises
    ------
    UsageError
        If levels of an image with z levels or times would go to one stack.
    OutputError
        If a file exists, is an input, or its folder takes none.
    """
    from focusfix.io.image import check_target
    from focusfix.io.zarr_files import would_replace

    for file in files:
        if file.is_stack and metadata.axes not in _STACKABLE:
            raise UsageError(
                f"{ends[0]} has the axes {metadata.axes}, so each level needs a file of its own.",
                "Give a folder with -o, or a template with {alpha}.",
            )
        if any(would_replace(file.target, end) for end in ends):
            raise OutputError(
                f"The output {file.target} is an input.",
                "Give another folder or name: inputs are never replaced.",
            )
        check_target(file.target, overwrite=overwrite)


def stack_metadata(
    metadata: "ImageMetadata", labels: Sequence[str], z_spacing_um: float | None = None
) -> "ImageMetadata":
    """Describe a stack of levels: the image with an axis Z in front.

    Plain files become ImageJ hyperstacks, which say which axis is Z, and label slices.

    Parameters
    ----------
    metadata : ImageMetadata
        Of one level.
    labels : sequence of str
        One for each level.
    z_spacing_um : float, optional
        Distance of neighbouring levels, where it is known; micrometres.

    Returns
    -------
    ImageMetadata
    """
    plain = metadata.format in _PLAIN_FORMATS
    stack = replace(
        metadata,
        axes=f"Z{metadata.axes}",
        shape=(len(labels), *metadata.shape),
        z_spacing_um=z_spacing_um,
        format="imagej" if plain else metadata.format,
        description=None if plain else metadata.description,
    )
    if stack.format != "imagej":
        return stack
    channels = metadata.channel_names or [""] * metadata.axis_size("C")
    texts = [f"{name} {label}".strip() for label in labels for name in channels]
    extras = {} if plain else dict(metadata.extras)
    return replace(stack, extras={**extras, "Labels": texts})


def _fill(template: str, stem: str, alpha: float) -> str:
    return template.replace("{alpha}", format_alpha(alpha)).replace("{stem}", stem)
