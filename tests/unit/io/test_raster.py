"""PNG and JPEG, against Pillow."""

import io

import numpy as np
import pytest
from PIL import Image

from focusfix.blocks import bands_as_blocks
from focusfix.errors import InputError, OutputError
from focusfix.io.image import ImageMetadata, open_image, write_image
from focusfix.io.raster import check_png


def picture(shape, dtype):
    return np.random.default_rng(3).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def whole_plane(reader):
    height, width = reader.metadata.shape_yx
    return reader.read_window(0, slice(0, height), slice(0, width))


@pytest.mark.parametrize(
    ("shape", "dtype"), [((40, 50), "uint8"), ((40, 50), "uint16"), ((40, 50, 3), "uint8")]
)
def test_a_png_is_read_as_pillow_reads_it(tmp_path, shape, dtype):
    whole = picture(shape, dtype)
    Image.fromarray(whole).save(tmp_path / "a.png")
    with open_image(tmp_path / "a.png") as reader:
        assert reader.metadata.format == "png"
        assert reader.metadata.dtype == dtype
        assert reader.metadata.axes == ("YX" if whole.ndim == 2 else "YXS")
        assert reader.chunk_yx == (40, 50)
        assert reader.notes == ()
        np.testing.assert_array_equal(whole_plane(reader).reshape(shape), whole)
        window = reader.read_window(0, slice(3, 9), slice(10, 50))
        np.testing.assert_array_equal(window.reshape(6, 40, *shape[2:]), whole[3:9, 10:])


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_a_jpeg_is_read_as_pillow_reads_it(tmp_path, mode):
    smooth = (np.add.outer(np.arange(64), np.arange(80)) % 200).astype("uint8")
    Image.fromarray(smooth).convert(mode).save(tmp_path / "a.jpg", quality=95)
    with open_image(tmp_path / "a.jpg") as reader, Image.open(tmp_path / "a.jpg") as expected:
        assert reader.metadata.format == "jpeg"
        got = whole_plane(reader).reshape(np.asarray(expected).shape).astype(int)
        assert np.abs(got - np.asarray(expected)).max() <= 2


def test_the_content_counts_not_the_name(tmp_path):
    Image.fromarray(picture((9, 9), "uint8")).save(tmp_path / "a.tif", format="PNG")
    with open_image(tmp_path / "a.tif") as reader:
        assert reader.metadata.format == "png"


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [((40, 50), "uint8"), ((40, 50), "uint16"), ((40, 50, 3), "uint8"), ((40, 50, 3), "uint16")],
)
def test_a_png_is_written_without_loss(tmp_path, shape, dtype):
    whole = picture(shape, dtype)
    metadata = ImageMetadata("YXS"[: len(shape)], shape, np.dtype(dtype))
    rows = whole.reshape(40, 50, -1)
    bands = (rows[top : top + 7] for top in range(0, 40, 7))
    write_image(tmp_path / "a.png", metadata, bands_as_blocks(bands, (40, 50)))
    with open_image(tmp_path / "a.png") as reader:
        np.testing.assert_array_equal(whole_plane(reader).reshape(shape), whole)
    if dtype == "uint8" or len(shape) == 2:
        with Image.open(tmp_path / "a.png") as image:
            np.testing.assert_array_equal(np.asarray(image), whole)


def test_a_png_becomes_a_plain_tiff(tmp_path):
    whole = picture((40, 50), "uint16")
    Image.fromarray(whole).save(tmp_path / "a.png")
    with open_image(tmp_path / "a.png") as reader:
        blocks = bands_as_blocks([whole_plane(reader)], (40, 50))
        notes = write_image(tmp_path / "a.tif", reader.metadata, blocks)
    assert any("deflate" in note for note in notes)
    with open_image(tmp_path / "a.tif") as reader:
        assert (reader.metadata.format, reader.metadata.compression) == ("tiff", "deflate")
        np.testing.assert_array_equal(whole_plane(reader)[..., 0], whole)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_opaque_transparency_is_left_out(tmp_path, mode):
    whole = picture((20, 30, 3), "uint8")
    Image.fromarray(whole).convert("L").convert(mode).save(tmp_path / "a.png")
    with open_image(tmp_path / "a.png") as reader:
        assert reader.metadata.samples == (1 if mode == "LA" else 3)
        assert reader.notes == ("the opaque alpha channel is left out",)


def test_real_transparency_is_refused(tmp_path):
    Image.fromarray(picture((20, 30, 4), "uint8")).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="transparent"):
        open_image(tmp_path / "a.png")


def test_cmyk_is_refused(tmp_path):
    Image.fromarray(picture((20, 30, 3), "uint8")).convert("CMYK").save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="CMYK"):
        open_image(tmp_path / "a.jpg")


@pytest.mark.parametrize("kind", ["png", "jpeg"])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.98])
def test_a_truncated_picture_is_refused(tmp_path, kind, share):
    buffer = io.BytesIO()
    Image.fromarray(picture((200, 300), "uint8")).save(buffer, format=kind)
    data = buffer.getvalue()
    (tmp_path / "a.dat").write_bytes(data[: int(share * len(data))])
    with pytest.raises(InputError, match=r"a\.dat is (damaged|truncated)"):
        open_image(tmp_path / "a.dat")


def test_other_axes_are_refused(tmp_path):
    Image.fromarray(picture((20, 30), "uint8")).save(tmp_path / "a.png")
    with open_image(tmp_path / "a.png", axes="yx") as reader:
        assert reader.metadata.axes == "YX"
    with pytest.raises(InputError, match=r"shape is \(20, 30\)"):
        open_image(tmp_path / "a.png", axes="ZYX")


@pytest.mark.parametrize(
    ("plane", "rows", "columns"),
    [(1, slice(0, 2), slice(0, 2)), (0, slice(0, 21), slice(0, 2)), (0, slice(2, 2), slice(0, 2))],
)
def test_windows_outside_the_image_are_refused(tmp_path, plane, rows, columns):
    Image.fromarray(picture((20, 30), "uint8")).save(tmp_path / "a.png")
    with open_image(tmp_path / "a.png") as reader, pytest.raises(IndexError):
        reader.read_window(plane, rows, columns)


@pytest.mark.parametrize(
    ("axes", "shape", "dtype"), [("ZYX", (2, 4, 5), "uint8"), ("YX", (4, 5), "float32")]
)
def test_what_does_not_fit_into_a_png_is_refused(tmp_path, axes, shape, dtype):
    metadata = ImageMetadata(axes, shape, np.dtype(dtype))
    with pytest.raises(OutputError, match="a PNG is one plane"):
        check_png(tmp_path / "a.png", metadata)
    with pytest.raises(OutputError):
        write_image(tmp_path / "a.png", metadata, iter(()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rows", [0, 3, 5])
def test_bands_that_are_not_the_plane_are_refused(tmp_path, rows):
    metadata = ImageMetadata("YX", (4, 5), np.dtype("uint8"))
    bands = [np.zeros((1, 5, 1), "uint8")] * rows
    with pytest.raises(ValueError, match=r"(20|5) pixels of plane 0|more blocks"):
        write_image(tmp_path / "a.png", metadata, bands_as_blocks(bands, (4, 5)))
    assert list(tmp_path.iterdir()) == []


def test_the_pixel_size_that_a_png_does_not_hold_is_mentioned(tmp_path):
    metadata = ImageMetadata("YX", (4, 5), np.dtype("uint8"), pixel_size_um=(1.0, 1.0))
    blocks = bands_as_blocks([np.zeros((4, 5, 1), "uint8")], (4, 5))
    notes = write_image(tmp_path / "a.png", metadata, blocks)
    assert notes == ("the PNG does not hold the pixel size",)
