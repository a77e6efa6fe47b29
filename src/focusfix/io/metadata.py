"""What an image says about itself, whatever file it lies in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

import numpy as np

PIXEL_TYPES = ("uint8", "uint16", "int16", "uint32", "float16", "float32", "float64")


@dataclass(frozen=True)
class PlaneIndex:
    """One YX (or RGB) plane of an image.

    Parameters
    ----------
    position : int
        Index in C-order over the axes other than Y, X and S; what ``read_window`` takes.
    coordinates : Mapping of str to int
        Index along each of those axes, by axis letter. A letter that occurs again gets a number
        appended ("Q", "Q2").
    channel : int
        Index along C; 0 for an image without that axis.
    """

    position: int
    coordinates: Mapping[str, int]
    channel: int


@dataclass(frozen=True)
class Resolution:
    """Resolution tags of a TIFF, kept as stored.

    Parameters
    ----------
    x, y : tuple of int
        Pixels per unit as numerator and denominator.
    unit : int
        TIFF code of the unit: 1 none, 2 inch, 3 centimetre.
    """

    x: tuple[int, int]
    y: tuple[int, int]
    unit: int


@dataclass(frozen=True)
class ImageMetadata:
    """What an image says about itself, apart from its pixels.

    Parameters
    ----------
    axes : str
        One letter per dimension: T, Z, C in the order of the file, then "YX" or "YXS". Axes that
        the file does not name keep the letter of the reader ("Q", "I") and are taken as a plain
        series of planes. A file with another position of Y, X or S is presented in this order,
        and the reader's notes say so.
    shape : tuple of int
        Size along each axis; pixels, planes or samples.
    dtype : numpy.dtype
        Pixel type in native byte order, one of ``PIXEL_TYPES``.
    pixel_size_um : tuple of float, optional
        Pixel size (y, x); micrometres.
    z_spacing_um : float, optional
        Distance of neighbouring z levels; micrometres.
    frame_interval_s : float, optional
        Time between frames; seconds.
    channel_names : tuple of str, optional
        One name per channel.
    display_ranges : tuple of (float, float), optional
        Grey values shown as black and white, per channel.
    format : str
        "imagej", "ome", "tiff" (plain), "ome-zarr", "png" or "jpeg".
    significant_bits : int, optional
        Declared bit depth, where it is less than that of the pixel type.
    compression : str, optional
        Name of the compression of the pixels, in lower case; None if uncompressed.
    tiled : bool
        Whether a TIFF keeps its planes in tiles that are narrower than they are.
    photometric : str
        "minisblack", "miniswhite", "rgb" or "palette".
    resolution : Resolution, optional
        Resolution tags as stored.
    description : str, optional
        Free text of a plain TIFF.
    ngff_version : str
        Version of OME-Zarr that the image has, or is written as where it becomes one: "0.5", or
        "0.4" in place of older ones.
    extras : Mapping of str to object
        What else the format stores and must survive, in the format's own words: lookup tables,
        slice labels, units of an ImageJ file; attributes of OME channels.
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    pixel_size_um: tuple[float, float] | None = None
    z_spacing_um: float | None = None
    frame_interval_s: float | None = None
    channel_names: tuple[str, ...] | None = None
    display_ranges: tuple[tuple[float, float], ...] | None = None
    format: str = "tiff"
    significant_bits: int | None = None
    compression: str | None = None
    tiled: bool = False
    photometric: str = "minisblack"
    resolution: Resolution | None = None
    description: str | None = None
    ngff_version: str = "0.4"
    extras: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.axes) != len(self.shape):
            raise ValueError(f"axes {self.axes} do not match shape {self.shape}")
        if not self.axes.endswith(("YX", "YXS")):
            raise ValueError(f"axes {self.axes} do not end with YX or YXS")
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))
        object.__setattr__(self, "shape", tuple(int(size) for size in self.shape))

    @property
    def plane_axes(self) -> str:
        """Letters of the axes that number the planes."""
        return self.axes[: self.axes.rindex("YX")]

    @property
    def shape_yx(self) -> tuple[int, int]:
        """Height and width of a plane; pixels."""
        start = len(self.plane_axes)
        return self.shape[start], self.shape[start + 1]

    @property
    def samples(self) -> int:
        """Number of colour samples of a pixel; 1 for grey."""
        return self.shape[-1] if self.axes.endswith("S") else 1

    @property
    def n_planes(self) -> int:
        """Number of YX planes."""
        return prod(self.shape[: len(self.plane_axes)])

    @property
    def nbytes(self) -> int:
        """Size of the pixels without compression; bytes."""
        return prod(self.shape) * self.dtype.itemsize

    @cached_property
    def planes(self) -> tuple[PlaneIndex, ...]:
        """Every plane in C-order over the axes other than Y, X and S."""
        letters = _distinct(self.plane_axes)
        sizes = self.shape[: len(letters)]
        found = []
        for position, index in enumerate(product(*(range(size) for size in sizes))):
            coordinates = dict(zip(letters, index, strict=True))
            found.append(PlaneIndex(position, coordinates, coordinates.get("C", 0)))
        return tuple(found)

    def axis_size(self, letter: str) -> int:
        """Return the size along one axis; 1 if the image does not have it."""
        return self.shape[self.axes.index(letter)] if letter in self.axes else 1


def _distinct(letters: str) -> tuple[str, ...]:
    """Give each axis a name of its own by numbering the letters that occur again."""
    return tuple(
        letter if letters.index(letter) == at else f"{letter}{letters[: at + 1].count(letter)}"
        for at, letter in enumerate(letters)
    )
