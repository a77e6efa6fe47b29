"""The second image of a field: finding it, opening it, and saying what speaks against it."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from focusfix.cli.console import Console
from focusfix.cli.image_pairs import find_partners, match_planes
from focusfix.cli.restoration import middle_slice, planes_of_channels
from focusfix.errors import InputError, OutputError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.cli.alphas import AlphaJob
    from focusfix.cli.blur_series import BlurJob
    from focusfix.io.image import ImageReader
    from focusfix.operations.images import ReaderSource

LEAST_CORRELATION = 0.3
"""Agreement of coarse structure below which two images hardly show the same field."""

MOST_SHARPNESS_RATIO = 1.05
"""Sharpness of the blurrier image over that of the sharper one above which they look swapped."""


@dataclass(frozen=True)
class SecondImage:
    """The blurrier image of a field, open, its planes in the order of those of the sharper one.

    Parameters
    ----------
    reader : ImageReader
        The open file.
    positions : tuple of int
        Plane of the file for each plane of the sharper image.
    """

    reader: "ImageReader"
    positions: tuple[int, ...]

    def source(self, planes: Sequence[int] | None = None) -> "ReaderSource":
        """Make what the engine reads: the partners of some planes of the sharper image, or all."""
        from focusfix.operations.images import ReaderSource

        wanted = range(len(self.positions)) if planes is None else planes
        return ReaderSource(self.reader, [self.positions[plane] for plane in wanted])

    def describe(self) -> dict[str, Any]:
        """Name the file for a sidecar."""
        from focusfix.io.checksums import file_sha256

        return {"path": str(self.reader.path), "sha256": file_sha256(self.reader.path)}


def pair_files(
    jobs: "Sequence[AlphaJob] | Sequence[BlurJob]", place: Path | None, role: str, option: str
) -> dict[Path, Path]:
    """Find the second image of every input, before any work.

    Parameters
    ----------
    jobs : sequence of AlphaJob or BlurJob
        What is to be done.
    place : Path, optional
        One image for a single input, or a folder in which each is looked for by name; None if
        there are none.
    role : str
        What the second image is, for messages.
    option : str
        Name of the option, for messages.

    Returns
    -------
    dict of Path to Path
        Second image of each input; empty without ``place``.

    Raises
    ------
    UsageError
        If there is one image for several inputs.
    InputError
        If something is missing, or an input is its own second image.
    OutputError
        If an output would replace a second image.
    """
    if place is None:
        return {}
    from focusfix.io.zarr_files import would_replace

    sources = list(dict.fromkeys(job.source for job in jobs))
    found = dict(zip(sources, find_partners(sources, place, role), strict=True))
    if len(sources) > 1 and place in found.values():
        raise UsageError(
            f"{option} names one file for {len(sources)} inputs.",
            "Give a folder that holds a file of the same name for each.",
        )
    for job in jobs:
        partner = found[job.source]
        if partner.samefile(job.source):
            raise InputError(
                f"{job.source} and the {role} image are the same file.",
                "Give two recordings of one field with different blur.",
            )
        if would_replace(job.target, partner):
            raise OutputError(
                f"The output {job.target} is the {role} image.",
                "Give another folder or name: inputs are never replaced.",
            )
    return found


def open_second(
    stack: ExitStack,
    image: "ImageReader",
    path: Path,
    axes: str | None,
    channels: Sequence[int],
    console: Console,
) -> SecondImage:
    """Open the blurrier image of a field, and check it against the sharper one.

    Parameters
    ----------
    stack : ExitStack
        Closes it.
    image : ImageReader
        The sharper image.
    path : Path
        The blurrier image.
    axes : str, optional
        Axes to read it with.
    channels : sequence of int
        Channels that will be used.
    console : Console
        Warned if the two look swapped, or not like one field.

    Returns
    -------
    SecondImage

    Raises
    ------
    InputError
        If it cannot be read, or differs in shape or axes.
    """
    from focusfix.io.image import open_image

    reader = stack.enter_context(open_image(path, axes=axes))
    for note in reader.notes:
        console.note(f"{path}: {note}")
    second = SecondImage(reader, tuple(match_planes(image, reader)))
    if reader.metadata.dtype != image.metadata.dtype:
        console.warning(
            f"{image.path} holds {image.metadata.dtype} and {path} {reader.metadata.dtype}: "
            "their grey values are taken as they are, on one scale"
        )
    for channel in channels:
        _judge(image, second, channel, console)
    return second


def _judge(image: "ImageReader", second: SecondImage, channel: int, console: Console) -> None:
    from focusfix.operations.pairs import judge_pair

    sharper, blurrier = middle_pair(image, second, channel)
    judgement = judge_pair(sharper, blurrier)
    paths = f"{image.path} and {second.reader.path}"
    if judgement.correlation < LEAST_CORRELATION:
        console.warning(
            f"{paths} do not look like one field: their coarse structure correlates with "
            f"{judgement.correlation:.2f}"
        )
    elif judgement.sharpness_ratio > MOST_SHARPNESS_RATIO:
        console.warning(
            f"{second.reader.path} looks sharper than {image.path}: if the two are swapped, the "
            "result will be worse than either"
        )


def middle_pair(
    image: "ImageReader", second: SecondImage, channel: int, most_px: int = 1024
) -> "tuple[np.ndarray, np.ndarray]":
    """Read the middle of the middle plane of a channel from both images.

    Returns
    -------
    sharper : ndarray of float64, shape (Y, X)
        Grey values, those of colours averaged; where not finite, the median of the rest.
    blurrier : ndarray of float64, shape (Y, X)
        The same of the other image.
    """
    planes = planes_of_channels(image.metadata, (channel,))
    plane = planes[len(planes) // 2]
    window = [middle_slice(length, most_px) for length in image.metadata.shape_yx]
    sharper = image.read_window(plane, *window)
    blurrier = second.reader.read_window(second.positions[plane], *window)
    return grey(sharper), grey(blurrier)


def grey(window: "np.ndarray") -> "np.ndarray":
    """Average colours, without alpha, and replace what is not finite by the median of the rest.

    Parameters
    ----------
    window : ndarray, shape (Y, X, S)
        Stored intensities.

    Returns
    -------
    ndarray of float64, shape (Y, X)
    """
    import numpy as np

    samples = window.shape[2]
    values = window[..., : samples - 1 if samples in {2, 4} else samples].astype(np.float64)
    finite = np.isfinite(values)
    if finite.any() and not finite.all():
        values[~finite] = np.median(values[finite])
    return np.asarray(values.mean(axis=2))
