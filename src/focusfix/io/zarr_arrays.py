"""The adapter to zarr: the only module that knows its calls."""

import lzma
import os
import warnings
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any, Literal

import numpy as np

from focusfix.errors import InputError
from focusfix.io.metadata import PIXEL_TYPES

# What zarr and its codecs raise on arrays and chunks that are broken.
_DAMAGE = (RuntimeError, ValueError, KeyError, TypeError, EOFError, zlib.error, lzma.LZMAError)
_NEXT_STEP = "Copy it again from where it was written, or write it again."

# Of the compression. Higher ones take many times as long, and make camera images no smaller.
_LEVEL = 1

# Above this number, chunks are not counted.
_MOST_COUNTED = 100_000


class StoredArray:
    """An array of a Zarr folder, open for reading or writing.

    Parameters
    ----------
    path : Path
        Its folder.
    writable : bool
        Whether it is to be written.

    Raises
    ------
    InputError
        If there is none, it is damaged or of a kind that is not supported.
    """

    def __init__(self, path: Path, *, writable: bool = False) -> None:
        self.path = path
        self._array = _open(path, "r+" if writable else "r")
        self.shape: tuple[int, ...] = tuple(self._array.shape)
        self.chunks: tuple[int, ...] = tuple(self._array.chunks)
        self.dtype: np.dtype[Any] = np.dtype(self._array.dtype).newbyteorder("=")

    @property
    def compression(self) -> str | None:
        """Name of the compression, in lower case; None if there is none."""
        names = [_codec_name(codec) for codec in self._array.compressors]
        return "+".join(names) or None

    @property
    def n_missing(self) -> int:
        """Count the chunks that are not stored, which read as the fill value; 0 for huge arrays."""
        stored: tuple[int, ...] = self._array.shards or self.chunks
        expected = prod(-(-size // side) for size, side in zip(self.shape, stored, strict=True))
        if expected > _MOST_COUNTED:
            return 0
        return max(expected - sum(1 for _ in _chunk_files(self.path)), 0)

    @property
    def fill_value(self) -> Any:
        """Value of pixels whose chunk is not stored."""
        return self._array.fill_value

    def read(self, region: Sequence[slice]) -> np.ndarray:
        """Read a region.

        Parameters
        ----------
        region : sequence of slice
            One for each dimension; inside the array.

        Returns
        -------
        numpy.ndarray
            In native byte order.

        Raises
        ------
        InputError
            If a chunk cannot be read or decoded.
        """
        where = ", ".join(f"{part.start}:{part.stop}" for part in region)
        try:
            pixels = np.asarray(self._array[tuple(region)])
        except OSError as error:
            raise InputError(
                f"{self.path} cannot be read at [{where}]: {error.strerror or error}.",
                "Check the disk or network drive and try again.",
            ) from error
        except _DAMAGE as error:
            raise InputError(
                f"{self.path} is damaged: a chunk at [{where}] cannot be decoded ({error}).",
                _NEXT_STEP,
            ) from error
        return pixels.astype(self.dtype, copy=False)

    def write(self, region: Sequence[slice], pixels: np.ndarray) -> None:
        """Write a region, which several processes may do at once where it is made of whole chunks.

        Parameters
        ----------
        region : sequence of slice
            One for each dimension; inside the array.
        pixels : numpy.ndarray
            Of the same shape.
        """
        self._array[tuple(region)] = pixels


def create_array(
    path: Path,
    *,
    zarr_format: int,
    shape: Sequence[int],
    chunks: Sequence[int],
    dtype: np.dtype[Any],
    axes: Sequence[str],
) -> None:
    """Create an array without pixels, compressed by Blosc with Zstandard.

    Parameters
    ----------
    path : Path
        Folder to make.
    zarr_format : int
        2 or 3.
    shape, chunks : sequence of int
        Size of the array and of its chunks.
    dtype : numpy.dtype
        Pixel type.
    axes : sequence of str
        Names of the dimensions; stored in format 3.
    """
    import zarr
    from zarr.codecs import BloscCodec, BloscShuffle

    separator = {"name": "default" if zarr_format == 3 else "v2", "separator": "/"}
    common: dict[str, Any] = {
        "shape": tuple(shape),
        "chunks": tuple(chunks),
        "dtype": dtype.newbyteorder("<") if zarr_format == 2 else dtype,
        "fill_value": 0,
        "chunk_key_encoding": separator,
        # Every chunk is stored, so that one that is missing tells that something was lost.
        "config": {"write_empty_chunks": True},
    }
    with _quiet():
        if zarr_format == 3:
            blosc = BloscCodec(
                typesize=dtype.itemsize, cname="zstd", clevel=_LEVEL, shuffle=BloscShuffle.shuffle
            )
            zarr.create_array(
                path, zarr_format=3, compressors=[blosc], dimension_names=list(axes), **common
            )
            return
        from numcodecs import Blosc

        blosc_2 = Blosc(cname="zstd", clevel=_LEVEL, shuffle=Blosc.SHUFFLE)
        zarr.create_array(path, zarr_format=2, compressors=[blosc_2], **common)


def _open(path: Path, mode: Literal["r", "r+"]) -> Any:
    import zarr

    try:
        with _quiet():
            array = zarr.open_array(path, mode=mode, config={"write_empty_chunks": True})
            codecs = [_codec_name(codec) for codec in array.compressors]
            if mode == "r" and codecs and codecs[-1].startswith("blosc"):
                from focusfix.io.zarr_integrity import BloscStore

                array = zarr.open_array(BloscStore.at(path), mode=mode)
    except (FileNotFoundError, zarr.errors.NodeNotFoundError) as error:
        raise InputError(f"{path} is missing: it holds no Zarr array.", _NEXT_STEP) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read: {error.strerror or error}.",
            "Check the disk or network drive and try again.",
        ) from error
    except _DAMAGE as error:
        raise InputError(
            f"{path} is damaged or of an unsupported kind ({error}).",
            f"Write it again, with pixels of type {', '.join(PIXEL_TYPES)} and a compression that "
            "zarr knows, such as Blosc or Zstandard.",
        ) from error
    return array


def _chunk_files(path: Path) -> Iterator[str]:
    for _, _, names in os.walk(path):
        yield from (name for name in names if not name.startswith(".") and name != "zarr.json")


def _codec_name(codec: Any) -> str:
    """Name a codec of either format: what a Blosc one holds tells more than its own name."""
    inner = getattr(codec, "cname", None)
    if inner is not None:
        return f"blosc {getattr(inner, 'value', inner)}"
    name = getattr(codec, "codec_id", None) or type(codec).__name__
    return str(name).lower().removesuffix("codec")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep zarr's warnings, which are for programmers, from the user's terminal."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
