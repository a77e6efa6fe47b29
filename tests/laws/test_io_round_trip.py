"""Pixels come back as they were, whatever the axes, type, format, blocks, strips and windows."""

import tempfile
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from focusfix.blocks import Block, bands_as_blocks
from focusfix.io.cells import gather_cells
from focusfix.io.image import PIXEL_TYPES, ImageMetadata, open_image, write_image
from focusfix.io.naming import image_stem
from focusfix.io.tiff_cells import cut_strips


@st.composite
def images(draw):
    letters = draw(st.permutations("TZC"))[: draw(st.integers(0, 3))]
    dtype = np.dtype(draw(st.sampled_from(PIXEL_TYPES)))
    colour = draw(st.booleans()) and dtype.name in ("uint8", "uint16")
    axes = "".join(letters) + ("YXS" if colour else "YX")
    shape = tuple(
        3 if letter == "S" else draw(st.integers(1, 40 if letter in "YX" else 3)) for letter in axes
    )
    metadata = ImageMetadata(
        axes, shape, dtype,
        format=draw(st.sampled_from(["imagej", "ome", "tiff"])),
        photometric="rgb" if colour else "minisblack",
        tiled=draw(st.booleans()),
    )  # fmt: skip
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    whole = np.frombuffer(random.bytes(metadata.nbytes), dtype).reshape(shape)
    return metadata, np.nan_to_num(whole) if dtype.kind == "f" else whole


def as_planes(whole, metadata):
    return whole.reshape(metadata.n_planes, *metadata.shape_yx, metadata.samples)


def partition(data, rows, columns):
    """Cut a rectangle in two, and the halves again, until nobody wants to."""
    where = "Y" * (rows.stop - rows.start > 1) + "X" * (columns.stop - columns.start > 1)
    axis = data.draw(st.sampled_from(["", *where]))
    if not axis:
        return [(rows, columns)]
    span = rows if axis == "Y" else columns
    at = data.draw(st.integers(span.start + 1, span.stop - 1))
    halves = slice(span.start, at), slice(at, span.stop)
    parts = [(half, columns) if axis == "Y" else (rows, half) for half in halves]
    return [piece for part in parts for piece in partition(data, *part)]


def cut_anyhow(whole, metadata, data):
    """Cut each plane into rectangles, and shuffle them."""
    height, width = metadata.shape_yx
    for position, plane in enumerate(as_planes(whole, metadata)):
        pieces = partition(data, slice(0, height), slice(0, width))
        for rows, columns in data.draw(st.permutations(pieces)):
            yield Block(position, rows, columns), plane[rows, columns]


@settings(deadline=None, max_examples=80)
@given(images(), st.sampled_from(["none", "lzw", "deflate", "zstd"]), st.booleans(), st.data())
def test_what_is_written_is_what_is_read(image, compression, large, data):
    metadata, whole = image
    with tempfile.TemporaryDirectory() as folder, patch("focusfix.io.tiff_plan._TILE_PX", 16):
        path = Path(folder) / "a.tif"
        write_image(
            path, metadata, cut_anyhow(whole, metadata, data),
            compression=compression, bigtiff_bytes=0 if large else None,
        )  # fmt: skip
        np.testing.assert_array_equal(tifffile.imread(path).reshape(whole.shape), whole)
        with open_image(path) as reader:
            assert reader.metadata.dtype == metadata.dtype
            shown = reader.metadata
            assert (shown.n_planes, shown.shape_yx) == (metadata.n_planes, metadata.shape_yx)
            height, width = shown.shape_yx
            top = data.draw(st.integers(0, height - 1))
            left = data.draw(st.integers(0, width - 1))
            rows = slice(top, data.draw(st.integers(top + 1, height)))
            columns = slice(left, data.draw(st.integers(left + 1, width)))
            for at, plane in enumerate(as_planes(whole, metadata)):
                np.testing.assert_array_equal(
                    reader.read_window(at, rows, columns), plane[rows, columns]
                )


@settings(deadline=None, max_examples=80)
@given(images(), st.integers(1, 50), st.integers(1, 50), st.data())
def test_cells_are_whole_whatever_the_blocks(image, tall, wide, data):
    metadata, whole = image
    height, width = metadata.shape_yx
    planes, found = as_planes(whole, metadata), []
    blocks = cut_anyhow(whole, metadata, data)
    for block, pixels in gather_cells(blocks, metadata, (tall, wide)):
        np.testing.assert_array_equal(pixels, planes[block.plane, block.rows, block.columns])
        top, left = block.rows.start, block.columns.start
        assert (top % tall, left % wide) == (0, 0)
        assert block.shape_yx == (min(tall, height - top), min(wide, width - left))
        found.append((block.plane, top, left))
    assert [plane for plane, *_ in found] == sorted(plane for plane, *_ in found)
    assert len(set(found)) == len(found)
    assert len(found) == metadata.n_planes * -(-height // tall) * -(-width // wide)


@settings(deadline=None, max_examples=40)
@given(images(), st.integers(1, 50), st.data())
def test_strips_join_to_the_image(image, strip_rows, data):
    metadata, whole = image
    strips = list(cut_strips(cut_anyhow(whole, metadata, data), metadata, strip_rows))
    rows = np.concatenate(strips)
    np.testing.assert_array_equal(rows.reshape(whole.shape), whole)
    height = metadata.shape_yx[0]
    per_plane = -(-height // strip_rows)
    assert len(strips) == per_plane * metadata.n_planes
    assert all(len(strip) == strip_rows for at, strip in enumerate(strips, 1) if at % per_plane)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.data())
def test_a_png_is_whole_whatever_the_blocks(height, width, data):
    metadata = ImageMetadata("YX", (height, width), np.dtype("uint16"))
    whole = np.arange(height * width, dtype="uint16").reshape(height, width)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.png"
        write_image(path, metadata, cut_anyhow(whole, metadata, data))
        found = imagecodecs.imread(path).reshape(height, width)
        np.testing.assert_array_equal(found, whole)


@settings(deadline=None, max_examples=15)
@given(images(), st.data())
def test_a_zarr_is_whole_whatever_the_blocks(image, data):
    pytest.importorskip("zarr")
    metadata, whole = image
    assume(not {"C", "S"} <= set(metadata.axes))
    with tempfile.TemporaryDirectory() as folder, patch("focusfix.io.ngff_layout.CHUNK_PX", 16):
        path = Path(folder) / "a.zarr"
        write_image(path, metadata, cut_anyhow(whole, metadata, data))
        with open_image(path) as reader:
            found = reader.metadata
            planes = [
                reader.read_window(at, *(slice(0, size) for size in found.shape_yx))
                for at in range(found.n_planes)
            ]
        order = [found.axes.index(letter) for letter in metadata.axes]
        stored = np.stack(planes).reshape(found.shape).transpose(order)
        np.testing.assert_array_equal(stored, whole)


@given(st.lists(st.integers(1, 9), min_size=1), st.integers(1, 20))
def test_bands_lie_below_each_other(heights, n_planes):
    height = sum(heights)
    bands = [np.full((rows, 5, 1), rows) for rows in heights] * n_planes
    blocks = list(bands_as_blocks(bands, (height, 5)))
    assert [pixels is band for (_, pixels), band in zip(blocks, bands, strict=True)]
    rows = [(b.plane * height + b.rows.start, b.plane * height + b.rows.stop) for b, _ in blocks]
    assert rows[0][0] == 0
    assert all(above[1] == below[0] for above, below in pairwise(rows))
    assert rows[-1][1] == height * n_planes
    assert all(b.shape_yx == pixels.shape[:2] for b, pixels in blocks)


@settings(max_examples=100)
@given(
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1),
    st.sampled_from([".tif", ".TIFF", ".ome.tif", ".png", ".jpeg"]),
)
def test_a_suffix_is_all_that_a_stem_loses(name, suffix):
    assert name.startswith(image_stem(name + suffix))
    assert image_stem(name + suffix) in (name, name[: -len(".ome")])
