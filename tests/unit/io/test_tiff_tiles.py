"""TIFF files in tiles that were written in any order, with tifffile and libtiff as witnesses."""

from dataclasses import replace
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile

from focusfix.blocks import Block
from focusfix.errors import OutputError
from focusfix.io.image import ImageMetadata, open_image, write_image
from focusfix.io.tiff_plan import plan_tiff


@pytest.fixture(autouse=True)
def _small_tiles(monkeypatch):
    monkeypatch.setattr("focusfix.io.tiff_plan._TILE_PX", 16)


def picture(axes, dtype):
    shape = [{"T": 2, "C": 2, "Z": 3, "Y": 37, "X": 53, "S": 3}[letter] for letter in axes]
    values = np.random.default_rng(0).integers(0, 250, shape)
    return np.sort(values, axis=axes.index("X")).astype(dtype)


def describe(whole, axes, **words):
    return ImageMetadata(axes, whole.shape, whole.dtype, **{"tiled": True, "format": "ome"} | words)


def blocks_of(whole, metadata, side_yx=(23, 20), seed=None):
    """Cut an image into blocks, row by row or shuffled."""
    height, width = metadata.shape_yx
    planes = whole.reshape(metadata.n_planes, height, width, metadata.samples)
    for position, plane in enumerate(planes):
        corners = [
            (y, x) for y in range(0, height, side_yx[0]) for x in range(0, width, side_yx[1])
        ]
        if seed is not None:
            np.random.default_rng(seed + position).shuffle(corners)
        for y, x in corners:
            rows, columns = (
                slice(at, min(at + side, size))
                for at, side, size in zip((y, x), side_yx, (height, width), strict=True)
            )
            yield Block(position, rows, columns), plane[rows, columns]


def check_file(path, whole, n_planes, *, big):
    """Let three readers judge a file: tifffile, libtiff and ours."""
    planes = whole.reshape(n_planes, 37, 53, -1)
    with tifffile.TiffFile(path) as tif:
        assert tif.is_bigtiff == big
        assert all(page.is_tiled and page.tile == (16, 16) for page in tif.pages)
        np.testing.assert_array_equal(tif.asarray(), whole)
    data = path.read_bytes()
    for position, plane in enumerate(planes):
        found = imagecodecs.tiff_decode(data, index=position)
        np.testing.assert_array_equal(found.reshape(plane.shape), plane)
    with open_image(path) as reader:
        assert reader.metadata.tiled
        assert reader.chunk_yx == (16, 16)
        for position, plane in enumerate(planes):
            window = reader.read_window(position, slice(5, 37), slice(15, 50))
            np.testing.assert_array_equal(window, plane[5:37, 15:50])


@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", ["none", "lzw", "deflate"])
@pytest.mark.parametrize("kind", ["ome", "tiff"])
@pytest.mark.parametrize("seed", [None, 7])
@pytest.mark.parametrize(
    ("axes", "dtype"),
    [("YX", "uint16"), ("ZYX", "uint8"), ("TCYX", "float32"), ("YXS", "uint8"), ("ZYXS", "uint16")],
)
def test_tiles_in_any_order_are_read_in_theirs(tmp_path, axes, dtype, seed, kind, compression, big):
    whole = picture(axes, dtype)
    metadata = describe(
        whole, axes, format=kind, photometric="rgb" if "S" in axes else "minisblack"
    )
    notes = write_image(
        tmp_path / "a.tif", metadata, blocks_of(whole, metadata, seed=seed),
        compression=compression, bigtiff_bytes=0 if big else None,
    )  # fmt: skip
    assert len(notes) == big
    check_file(tmp_path / "a.tif", whole, metadata.n_planes, big=big)
    with open_image(tmp_path / "a.tif") as reader:
        assert (reader.metadata.axes, reader.metadata.format) == (axes, kind)


def test_tiles_lie_in_the_file_as_they_were_completed(tmp_path):
    whole = picture("YX", "uint16")
    metadata = describe(whole, "YX")
    write_image(tmp_path / "a.tif", metadata, list(blocks_of(whole, metadata, (16, 16)))[::-1])
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        offsets = tif.pages[0].dataoffsets
        assert list(offsets) == sorted(offsets, reverse=True)


def test_a_file_in_natural_order_is_not_opened_again(tmp_path, monkeypatch):
    whole = picture("ZYX", "uint16")
    metadata = describe(whole, "ZYX")
    monkeypatch.delattr(tifffile, "TiffFile")
    write_image(tmp_path / "a.tif", metadata, blocks_of(whole, metadata, (5, 53)))


def test_a_disk_that_fails_when_tiles_are_put_in_order_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    whole = picture("YX", "uint16")
    metadata = describe(whole, "YX")
    monkeypatch.setattr(tifffile, "TiffFile", fail)
    with pytest.raises(OutputError, match="disk is full"):
        write_image(tmp_path / "a.tif", metadata, blocks_of(whole, metadata, seed=1))
    assert list(tmp_path.iterdir()) == []


def test_a_tiled_file_stays_tiled(tmp_path):
    whole = picture("ZYX", "uint16")
    tifffile.imwrite(
        tmp_path / "a.tif", whole, tile=(32, 48), compression="lzw", predictor=True,
        photometric="minisblack", metadata={"axes": "ZYX"},
    )  # fmt: skip
    with open_image(tmp_path / "a.tif") as reader:
        metadata = reader.metadata
    assert metadata.tiled
    write_image(tmp_path / "b.tif", metadata, blocks_of(whole, metadata))
    with open_image(tmp_path / "b.tif") as reader:
        assert reader.metadata == metadata
    with tifffile.TiffFile(tmp_path / "b.tif") as tif:
        assert (tif.pages[0].predictor, int(tif.pages[0].compression)) == (2, 5)


LARGE = {"bigtiff_bytes": 0}


@pytest.mark.parametrize(
    ("changes", "words", "expected"),
    [
        ({"tiled": True}, {}, True),
        ({"tiled": False}, {}, False),
        ({"tiled": True, "format": "imagej"}, {}, False),
        ({"tiled": True, "format": "imagej"}, LARGE, True),
        ({"tiled": True, "shape": (3, 900, 16)}, {}, False),
        ({"shape": (3, 40, 8192)}, LARGE, False),
        ({"shape": (3, 40, 8193)}, LARGE, True),
        ({"shape": (3, 40, 8193), "format": "imagej"}, LARGE, True),
        ({"shape": (3, 40, 8193), "format": "tiff"}, LARGE, True),
        ({"shape": (3, 40, 8193)}, {}, False),
        ({"shape": (3, 40, 8193), "format": "ome-zarr"}, {}, True),
    ],
)
def test_which_files_are_tiled(changes, words, expected):
    base = ImageMetadata("ZYX", (3, 40, 53), np.dtype("uint16"), format="ome")
    plan = plan_tiff(Path("a.tif"), replace(base, **changes), **words)
    assert plan.tile_px == (16 if expected else None)
