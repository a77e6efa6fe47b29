"""Options that commands share, as frozen records; a command's options are one class built of them.

Every field is one option: its annotation says how it is typed and explained, its default is what
applies when neither the command line, the environment, a file nor the model card says otherwise.
The records have no comparison and no text form of their own, which keeps ``--help`` quick.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer

from focusfix.cli.choices import NanPolicy, OutputType, Precision, Runtime, ZarrVersion
from focusfix.errors import UsageError


def named_given(values: Mapping[str, object]) -> list[str]:
    """Name the options that the user gave: whose value is neither None nor an empty list."""
    return [option for option, value in values.items() if value not in (None, [])]


def parse_count(option: str, text: str, *, smallest: int) -> int | None:
    """Read the value of an option that takes ``auto`` or a whole number.

    Parameters
    ----------
    option : str
        Name of the option, for the message.
    text : str
        What the user gave.
    smallest : int
        Smallest number that makes sense.

    Returns
    -------
    int or None
        The number; None for ``auto``.

    Raises
    ------
    UsageError
        If it is neither, or the number is too small.
    """
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < smallest:
        raise UsageError(
            f"{option} takes auto or a whole number of at least {smallest}, not {text!r}.",
            f"Leave {option} out to let focusfix choose.",
        )
    return int(text)


def parse_size(option: str, text: str) -> int:
    """Read the value of an option that takes an amount of memory.

    Parameters
    ----------
    option : str
        Name of the option, for the message.
    text : str
        What the user gave, such as ``800MB`` or ``1.5 GB``.

    Returns
    -------
    int
        Bytes.

    Raises
    ------
    UsageError
        If it is something else.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MG])(i?)B?", text.strip(), re.IGNORECASE)
    if found is None or not float(found[1]):
        raise UsageError(
            f"{option} takes an amount of memory such as 800MB or 1.5GB, not {text!r}.",
            f"Leave {option} out for 2GB.",
        )
    base, power = 1024 if found[3] else 1000, 2 if found[2].upper() == "M" else 3
    return int(float(found[1]) * base**power)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class BatchOptions:
    """Which files are read, and where the results go."""

    inputs: Annotated[
        list[str] | None,
        typer.Argument(metavar="INPUT", help="Images, folders or quoted globs."),
    ] = None
    output: Annotated[
        str | None,
        typer.Option(
            "--output",
            "-o",
            metavar="OUT",
            help="Output file for one input; for several a folder, or a template with {stem}.",
        ),
    ] = None
    pattern: Annotated[
        str | None,
        typer.Option(
            metavar="GLOB", help="Which files of input folders to take, for example '*.tif'."
        ),
    ] = None
    files_from: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Read input names from a file, one a line; - is stdin."),
    ] = None
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace outputs that exist.")] = (
        False
    )
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out inputs whose output exists.")
    ] = False
    no_sidecar: Annotated[
        bool, typer.Option("--no-sidecar", help="Do not write OUT.focusfix.json.")
    ] = False
    num_parts: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Divide the inputs into N parts, for N jobs of a cluster's array."
        ),
    ] = None
    part_id: Annotated[
        int | None,
        typer.Option(metavar="K", help="Do part K of --num-parts only, counted from 0."),
    ] = None
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="tcp://HOST:PORT",
            help="Hand the files to the workers of this Dask scheduler, which must see the same "
            "folders. Needs focusfix[distributed].",
        ),
    ] = None

    @property
    def part(self) -> tuple[int, int]:
        """Which part of the inputs to do, counted from 0, and of how many.

        Raises
        ------
        UsageError
            If the two options do not make sense together.
        """
        if self.num_parts is None and self.part_id is None:
            return 0, 1
        if self.num_parts is None or self.part_id is None:
            given, missing = "--num-parts", "--part-id"
            if self.num_parts is None:
                given, missing = missing, given
            raise UsageError(f"{given} needs {missing}.", f"Give both, or leave {given} out.")
        if self.num_parts < 1:
            raise UsageError(
                f"--num-parts must be at least 1, not {self.num_parts}.",
                "Give the number of jobs that share the inputs.",
            )
        if not 0 <= self.part_id < self.num_parts:
            raise UsageError(
                f"There is no part {self.part_id} of {self.num_parts}: they are counted from 0.",
                f"Give --part-id a number from 0 to {self.num_parts - 1}.",
            )
        return self.part_id, self.num_parts


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ImageOptions:
    """How the images are read, scaled and written."""

    axes: Annotated[
        str | None,
        typer.Option(
            metavar="LETTERS",
            help="One of T Z C Y X S for each dimension, if the file states its axes wrong.",
        ),
    ] = None
    channel: Annotated[
        list[int] | None,
        typer.Option(
            metavar="N",
            help="Channel to work on, counted from 0; repeat for several. "
            "The other channels are copied unchanged.",
        ),
    ] = None
    dtype: Annotated[
        OutputType,
        typer.Option(
            metavar="input|uint16|float32", help="Pixel type of the output; grey values are kept."
        ),
    ] = OutputType.INPUT
    zarr_version: Annotated[
        ZarrVersion,
        typer.Option(metavar="0.4|0.5", help="Version of OME-Zarr of outputs that end with .zarr."),
    ] = ZarrVersion.V04
    pixel_size_um: Annotated[
        float | None,
        typer.Option(metavar="UM", help="Pixel size in the sample, instead of the file's."),
    ] = None
    nan_policy: Annotated[
        NanPolicy,
        typer.Option(
            metavar="error|fill",
            help="Pixels that are NaN or infinite: an error, or filled and reported.",
        ),
    ] = NanPolicy.ERROR


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TileOptions:
    """How an image is cut into tiles."""

    tile_size: Annotated[
        str,
        typer.Option(metavar="auto|N", help="Side of a tile in pixels; 128 as in the papers."),
    ] = "auto"
    batch_size: Annotated[
        str, typer.Option(metavar="auto|N", help="Tiles that are computed at once.")
    ] = "auto"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ComputeOptions(TileOptions):
    """Where and how a network is executed."""

    halo: Annotated[
        str,
        typer.Option(
            metavar="auto|N",
            help="Margin in pixels that a tile is read with; no less than the network's reach.",
        ),
    ] = "auto"
    max_memory: Annotated[
        str,
        typer.Option(
            metavar="SIZE",
            help="Memory that tiles are chosen for on the CPU, such as 800MB; a size that is "
            "named goes before it.",
        ),
    ] = "2GB"
    device: Annotated[
        str,
        typer.Option(
            envvar="FOCUSFIX_DEVICE",
            metavar="auto|cpu|cuda[:N]|mps",
            help="auto takes the best there is; a device that is named must be there.",
        ),
    ] = "auto"
    precision: Annotated[
        Precision,
        typer.Option(
            metavar="auto|fp32|bf16|fp16",
            help="Number format; auto is bf16 on CPUs made for it, else fp32.",
        ),
    ] = Precision.AUTO
    runtime: Annotated[
        Runtime,
        typer.Option(metavar="auto|torch|openvino", help="Library that executes the network."),
    ] = Runtime.AUTO
