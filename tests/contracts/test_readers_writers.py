"""Every layout that a reader meets and every file that a writer makes, against tifffile itself."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from focusfix.blocks import bands_as_blocks
from focusfix.io.image import ImageMetadata, open_image, write_image

DTYPES = ("uint8", "uint16", "int16", "uint32", "float16", "float32", "float64")
ORDERS = ("YX", "ZYX", "TYX", "CYX", "TZCYX", "CZTYX", "ZTCYX", "CTZYX", "TCZYX", "ZCTYX", "TZYX")
SIZES = {"T": 2, "Z": 3, "C": 2, "Y": 37, "X": 53, "S": 3}


def picture(shape, dtype, seed=0):
    """Pixels that no scrambled order of rows, planes or bytes can reproduce."""
    random = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        return random.normal(100, 30, shape).astype(dtype)
    info = np.iinfo(dtype)
    return random.integers(info.min, info.max, shape, dtype, endpoint=True)


def read_planes(reader):
    height, width = reader.metadata.shape_yx
    planes = [
        reader.read_window(at, slice(0, height), slice(0, width))
        for at in range(reader.metadata.n_planes)
    ]
    return np.stack(planes).reshape(reader.metadata.shape)


def check_windows(reader, whole, seed=1):
    random = np.random.default_rng(seed)
    meta = reader.metadata
    planes = whole.reshape(meta.n_planes, *meta.shape_yx, meta.samples)
    for _ in range(12):
        at = int(random.integers(meta.n_planes))
        (top, bottom), (left, right) = (
            sorted(random.choice(size + 1, 2, replace=False)) for size in meta.shape_yx
        )
        window = reader.read_window(at, slice(top, bottom), slice(left, right))
        assert window.dtype == whole.dtype
        assert window.shape == (bottom - top, right - left, meta.samples)
        np.testing.assert_array_equal(window, planes[at, top:bottom, left:right])


def bands(whole, metadata, heights=(7, 1, 13, 30)):
    """Cut an image into blocks of the full width."""
    planes = whole.reshape(metadata.n_planes, *metadata.shape_yx, metadata.samples)

    def cut():
        turn = 0
        for plane in planes:
            row = 0
            while row < len(plane):
                height = heights[turn % len(heights)]
                turn += 1
                yield plane[row : row + height]
                row += height

    return bands_as_blocks(cut(), metadata.shape_yx)


LAYOUTS = {
    "one strip": {},
    "strips": {"rowsperstrip": 5},
    "tiles": {"tile": (16, 32)},
    "one tile": {"tile": (48, 64)},
    "big-endian": {"byteorder": ">"},
    "big-endian tiles": {"byteorder": ">", "tile": (16, 16)},
    "bigtiff": {"bigtiff": True},
    "bigtiff big-endian strips": {"bigtiff": True, "byteorder": ">", "rowsperstrip": 8},
    "lzw": {"compression": "lzw", "rowsperstrip": 6},
    "lzw differences": {"compression": "lzw", "predictor": True, "rowsperstrip": 6},
    "lzw tiles": {"compression": "lzw", "tile": (16, 16)},
    "lzw one strip": {"compression": "lzw", "rowsperstrip": 37},
    "lzw big-endian": {"compression": "lzw", "byteorder": ">", "rowsperstrip": 4},
    "deflate": {"compression": "deflate", "rowsperstrip": 6},
    "deflate differences tiles": {"compression": "deflate", "predictor": True, "tile": (16, 16)},
    "zstd": {"compression": "zstd", "rowsperstrip": 9},
    "zstd tiles bigtiff": {"compression": "zstd", "tile": (32, 16), "bigtiff": True},
    "packbits": {"compression": "packbits", "rowsperstrip": 6},
    "lzma": {"compression": "lzma", "rowsperstrip": 6},
}


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZCYX"])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_is_read_as_tifffile_reads_it(tmp_path, layout, dtype, axes):
    words = dict(LAYOUTS[layout])
    where = {key: words.pop(key) for key in ("byteorder", "bigtiff") if key in words}
    whole = picture([SIZES[letter] for letter in axes], dtype)
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path, **where) as tif:
        tif.write(whole, metadata={"axes": axes}, photometric="minisblack", **words)
    with open_image(path) as reader:
        assert (reader.metadata.axes, reader.metadata.shape) == (axes, whole.shape)
        np.testing.assert_array_equal(read_planes(reader), whole)
        check_windows(reader, whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("words", [{}, {"compression": "deflate"}, {"tile": (16, 16)}])
def test_every_pixel_type_is_read(tmp_path, dtype, words):
    whole = picture((3, 37, 53), dtype)
    tifffile.imwrite(
        tmp_path / "a.tif", whole, photometric="minisblack", metadata={"axes": "ZYX"}, **words
    )
    with open_image(tmp_path / "a.tif") as reader:
        assert reader.metadata.dtype == dtype
        np.testing.assert_array_equal(read_planes(reader), whole)


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("samples", [3, 4])
@pytest.mark.parametrize(
    "words", [{}, {"compression": "lzw", "rowsperstrip": 4}, {"tile": (16, 16)}]
)
@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_colour_is_read_interleaved(tmp_path, planar, samples, words, dtype):
    whole = picture((2, 37, 53, samples), dtype)
    stored = whole if planar == "contig" else np.moveaxis(whole, -1, 1)
    tifffile.imwrite(
        tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planar,
        metadata={"axes": "ZYXS" if planar == "contig" else "ZSYX"}, **words,
    )  # fmt: skip
    with open_image(tmp_path / "a.tif") as reader:
        assert reader.metadata.axes == "ZYXS"
        assert reader.metadata.samples == samples
        assert any("order" in note for note in reader.notes) == (planar == "separate")
        np.testing.assert_array_equal(read_planes(reader), whole)
        check_windows(reader, whole)


@pytest.mark.parametrize("compression", ["jpeg", "jpeg2000", "jpegxl", "jpegxr", "webp", "png"])
def test_compressions_made_for_pictures_are_read(tmp_path, compression):
    smooth = np.add.outer(np.arange(64), np.arange(96))[..., None] + np.array([0, 20, 60])
    path = tmp_path / "a.tif"
    try:
        tifffile.imwrite(
            path, smooth.astype("uint8"), photometric="rgb", tile=(32, 32), compression=compression
        )
    except (ValueError, KeyError, RuntimeError, ImportError) as error:
        pytest.skip(f"this imagecodecs does not write {compression}: {error}")
    with open_image(path) as reader:
        np.testing.assert_array_equal(read_planes(reader), tifffile.imread(path))


@pytest.mark.parametrize("axes", ORDERS)
@pytest.mark.parametrize("kind", ["imagej", "ome", "tiff"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_order_of_axes_survives_writing(tmp_path, axes, kind, dtype):
    shape = tuple(SIZES[letter] for letter in axes)
    whole = picture(shape, dtype)
    metadata = ImageMetadata(axes=axes, shape=shape, dtype=np.dtype(dtype), format=kind)
    notes = write_image(tmp_path / "a.tif", metadata, bands(whole, metadata))
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), whole)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.series[0].axes == axes
        assert not tif.pages[0].is_tiled
    with open_image(tmp_path / "a.tif") as reader:
        assert (reader.metadata.axes, reader.metadata.shape) == (axes, shape)
        assert reader.metadata.format == kind or notes
        check_windows(reader, whole)


@pytest.mark.parametrize("compression", ["none", "lzw", "deflate", "zstd"])
@pytest.mark.parametrize("kind", ["imagej", "ome", "tiff"])
@pytest.mark.parametrize(
    ("axes", "dtype"),
    [("ZYX", "uint8"), ("ZCYX", "uint16"), ("YX", "float32"), ("ZYXS", "uint8"), ("YXS", "uint16")],
)
def test_every_compression_is_lossless(tmp_path, compression, kind, axes, dtype):
    shape = tuple(SIZES[letter] for letter in axes)
    whole = picture(shape, dtype)
    metadata = ImageMetadata(axes=axes, shape=shape, dtype=np.dtype(dtype), format=kind)
    write_image(tmp_path / "a.tif", metadata, bands(whole, metadata), compression=compression)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), whole)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        page = tif.pages[0]
        assert (int(page.compression) == 1) == (compression == "none")
        # What ImageJ undoes: differences with LZW on 8 and 16 bits, nothing else.
        most = 8 if "S" in axes else 16
        assert page.predictor == 1 or (int(page.compression) == 5 and page.bitspersample <= most)


@pytest.mark.parametrize("axes", ["YX", "ZYX", "TZCYX", "YXS", "ZYXS"])
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", ["imagej", "ome", "tiff"])
def test_a_file_read_and_written_again_is_the_same(tmp_path, axes, dtype, kind):
    shape = tuple(SIZES[letter] for letter in axes)
    whole = picture(shape, dtype)
    first = ImageMetadata(
        axes=axes, shape=shape, dtype=np.dtype(dtype), format=kind,
        pixel_size_um=(0.25, 0.5), z_spacing_um=1.5 if "Z" in axes else None,
        frame_interval_s=20.0 if "T" in axes else None,
        channel_names=("DAPI", "actin") if "C" in axes else None,
        display_ranges=((0.0, 90.0), (5.0, 80.0)) if kind == "imagej" and "C" in axes else None,
        photometric="rgb" if "S" in axes else "minisblack",
    )  # fmt: skip
    notes = write_image(tmp_path / "a.tif", first, bands(whole, first))
    with open_image(tmp_path / "a.tif") as reader:
        second = reader.metadata
        again = write_image(tmp_path / "b.tif", second, bands(read_planes(reader), second))
    with open_image(tmp_path / "b.tif") as reader:
        assert reader.metadata == second
        assert again == ()
        np.testing.assert_array_equal(read_planes(reader), whole)
    if not notes:
        assert replace(second, resolution=None) == first
