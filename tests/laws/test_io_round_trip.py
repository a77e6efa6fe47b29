"""Pixels come back as they were, whatever the axes, type, format, strips and windows."""

import tempfile
from pathlib import Path

import numpy as np
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from focusfix.io.image import PIXEL_TYPES, ImageMetadata, open_image, write_image
from focusfix.io.naming import image_stem
from focusfix.io.strips import cut_strips


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
    )  # fmt: skip
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    whole = np.frombuffer(random.bytes(metadata.nbytes), dtype).reshape(shape)
    return metadata, np.nan_to_num(whole) if dtype.kind == "f" else whole


def cut(whole, metadata, data):
    planes = whole.reshape(metadata.n_planes, *metadata.shape_yx, metadata.samples)
    for plane in planes:
        row = 0
        while row < len(plane):
            height = data.draw(st.integers(1, len(plane) - row))
            yield plane[row : row + height]
            row += height


@settings(deadline=None, max_examples=60)
@given(images(), st.sampled_from(["none", "lzw", "deflate", "zstd"]), st.booleans(), st.data())
def test_what_is_written_is_what_is_read(image, compression, large, data):
    metadata, whole = image
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        write_image(
            path, metadata, cut(whole, metadata, data),
            compression=compression, bigtiff_bytes=0 if large else None,
        )  # fmt: skip
        np.testing.assert_array_equal(tifffile.imread(path).reshape(whole.shape), whole)
        with open_image(path) as reader:
            assert reader.metadata.dtype == metadata.dtype
            shown = reader.metadata
            planes = whole.reshape(metadata.n_planes, *metadata.shape_yx, metadata.samples)
            assert (shown.n_planes, shown.shape_yx) == (metadata.n_planes, metadata.shape_yx)
            height, width = shown.shape_yx
            top = data.draw(st.integers(0, height - 1))
            left = data.draw(st.integers(0, width - 1))
            rows = slice(top, data.draw(st.integers(top + 1, height)))
            columns = slice(left, data.draw(st.integers(left + 1, width)))
            for at, plane in enumerate(planes):
                np.testing.assert_array_equal(
                    reader.read_window(at, rows, columns), plane[rows, columns]
                )


@settings(deadline=None, max_examples=40)
@given(images(), st.integers(1, 50), st.data())
def test_strips_join_to_the_bands(image, strip_rows, data):
    metadata, whole = image
    strips = list(cut_strips(cut(whole, metadata, data), metadata, strip_rows))
    rows = np.concatenate(strips)
    np.testing.assert_array_equal(rows.reshape(whole.shape), whole)
    height = metadata.shape_yx[0]
    per_plane = -(-height // strip_rows)
    assert len(strips) == per_plane * metadata.n_planes
    assert all(len(strip) == strip_rows for at, strip in enumerate(strips, 1) if at % per_plane)


@settings(max_examples=100)
@given(
    st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1),
    st.sampled_from([".tif", ".TIFF", ".ome.tif", ".png", ".jpeg"]),
)
def test_a_suffix_is_all_that_a_stem_loses(name, suffix):
    assert name.startswith(image_stem(name + suffix))
    assert image_stem(name + suffix) in (name, name[: -len(".ome")])
