"""Images for benchmarks, as large as wanted: 12-bit, smooth structure and camera noise, LZW.

Tiled images are put together from a few tiles that were encoded once, each with noise of its own,
so that 60,000 x 60,000 pixels are written as fast as the disk takes them. The structure repeats
from tile to tile without a seam; an image takes about as many bytes per pixel as one from a camera.
"""

from collections.abc import Iterator
from math import prod
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import tifffile

TILE_PX = 512
N_TILES = 64
_PERIOD_YX = (128, 256)


def write_noisy_image(path: Path, side: int) -> None:
    """Write a square image as tiled, LZW-compressed OME-TIFF; BigTIFF where it has to be."""
    write_noisy_planes(path, (side, side), "YX")


def write_noisy_planes(path: Path, shape: tuple[int, ...], axes: str) -> None:
    """Write planes in tiles, LZW-compressed with horizontal differences.

    Parameters
    ----------
    path : Path
        OME-TIFF to write.
    shape : tuple of int
        Of the whole image; Y and X last.
    axes : str
        One letter for each axis: "YX", "ZYX", "TYX".
    """
    tiles_per_plane = prod(-(-size // TILE_PX) for size in shape[-2:])
    _write(
        path,
        shape,
        axes,
        data=_repeat(_encoded_tiles(), tiles_per_plane * prod(shape[:-2])),
        tile=(TILE_PX, TILE_PX),
    )


def write_single_strip(path: Path, side: int) -> None:
    """Write a square image that is compressed as a whole, as one strip."""
    pixels = noisy_pixels((side, side), np.random.default_rng(0))
    _write(path, (side, side), "YX", data=iter([_encode(pixels)]), rowsperstrip=side)


def noisy_pixels(shape_yx: tuple[int, int], random: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Draw pixels: waves of 800 grey levels on a background of 1500, and noise of 15."""
    waves = [
        np.sin(np.arange(size, dtype=np.float32) * np.float32(2 * np.pi / period))
        for size, period in zip(shape_yx, _PERIOD_YX, strict=True)
    ]
    pixels = np.multiply.outer(*waves)
    pixels *= 800
    pixels += 1500
    for row in range(len(pixels)):  # noise of the whole image would take as much memory again
        pixels[row] += 15 * random.standard_normal(shape_yx[1], dtype=np.float32)
    return pixels.astype(np.uint16)


def _encoded_tiles() -> list[bytes]:
    random = np.random.default_rng(0)
    return [_encode(noisy_pixels((TILE_PX, TILE_PX), random)) for _ in range(N_TILES)]


def _encode(pixels: npt.NDArray[np.uint16]) -> bytes:
    return bytes(imagecodecs.lzw_encode(imagecodecs.delta_encode(pixels, axis=1)))


def _repeat(tiles: list[bytes], count: int) -> Iterator[bytes]:
    for number in np.random.default_rng(1).integers(len(tiles), size=count):
        yield tiles[number]


def _write(
    path: Path, shape: tuple[int, ...], axes: str, *, data: Iterator[bytes], **layout: object
) -> None:
    tifffile.imwrite(
        path,
        data,
        shape=shape,
        dtype=np.uint16,
        compression="lzw",
        predictor=2,
        ome=True,
        bigtiff=2 * prod(shape) > 2**31,
        photometric="minisblack",
        metadata={"axes": axes},
        **layout,
    )
