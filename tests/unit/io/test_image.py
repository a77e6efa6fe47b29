"""Opening of images: what is refused, and in which words."""

import os
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from focusfix.blocks import bands_as_blocks
from focusfix.errors import FocusfixError, InputError, OutputError
from focusfix.io.image import ImageMetadata, check_target, open_image, write_image

WHOLE = np.arange(6 * 40 * 50, dtype="uint16").reshape(6, 40, 50)


def refused(path, **words):
    with pytest.raises(InputError) as info:
        open_image(path, **words)
    error = info.value
    assert str(path) in error.cause
    assert error.cause.endswith(".")
    assert error.fix.endswith(".")
    return error.cause


def test_planes_are_numbered_in_c_order():
    metadata = ImageMetadata("TCYXS", (2, 3, 4, 5, 3), np.dtype("uint8"))
    assert [plane.position for plane in metadata.planes] == list(range(6))
    assert metadata.planes[4].coordinates == {"T": 1, "C": 1}
    assert metadata.planes[4].channel == 1
    assert (metadata.shape_yx, metadata.samples, metadata.n_planes) == ((4, 5), 3, 6)
    assert metadata.axis_size("C") == 3
    assert metadata.axis_size("Z") == 1


def test_axes_of_the_same_letter_are_told_apart():
    metadata = ImageMetadata("QQYX", (2, 3, 4, 5), np.dtype("uint8"))
    assert metadata.planes[4].coordinates == {"Q": 1, "Q2": 1}


@pytest.mark.parametrize(("axes", "shape"), [("ZYX", (2, 3)), ("YXZ", (2, 3, 4))])
def test_metadata_that_contradict_themselves_are_refused(axes, shape):
    with pytest.raises(ValueError, match="axes"):
        ImageMetadata(axes, shape, np.dtype("uint8"))


def test_a_missing_file(tmp_path):
    assert "does not exist" in refused(tmp_path / "no.tif")


def test_a_folder(tmp_path):
    assert "folder" in refused(tmp_path)


def test_an_empty_file(tmp_path):
    (tmp_path / "a.tif").write_bytes(b"")
    assert "empty" in refused(tmp_path / "a.tif")


def test_text_called_tif(tmp_path):
    (tmp_path / "a.tif").write_text("pixel,value\n1,2\n")
    assert "not a TIFF, PNG or JPEG" in refused(tmp_path / "a.tif")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (PermissionError(13, "Permission denied"), "permission denied"),
        (OSError(5, "Input/output error"), "Input/output error"),
    ],
)
def test_a_file_that_the_system_does_not_give(tmp_path, monkeypatch, error, words):
    def fail(*_):
        raise error

    monkeypatch.setattr("pathlib.Path.open", fail)
    assert words in refused(tmp_path / "a.tif")


@pytest.mark.parametrize("head", [b"II*\0", b"MM\0*", b"II*\0\x08\0\0\0", b"II+\0\x08\0\0\0"])
def test_a_header_without_pages(tmp_path, head):
    (tmp_path / "a.tif").write_bytes(head)
    refused(tmp_path / "a.tif")


@pytest.mark.parametrize("fill", [b"\xff", b"\x00", b"\x10"])
def test_a_header_followed_by_rubbish(tmp_path, fill):
    (tmp_path / "a.tif").write_bytes(b"II*\0\x08\0\0\0" + fill * 300)
    refused(tmp_path / "a.tif")


WRITTEN = {
    "imagej": {"imagej": True},
    "ome": {"ome": True, "metadata": {"axes": "ZYX"}},
    "shaped": {"metadata": {"axes": "ZYX"}, "photometric": "minisblack"},
    "plain": {"metadata": None, "photometric": "minisblack"},
    "deflate": {"compression": "deflate", "photometric": "minisblack"},
    "imagej lzw": {"imagej": True, "compression": "lzw"},
    "tiled": {"tile": (16, 16), "photometric": "minisblack"},
    "big": {"bigtiff": True, "metadata": None, "photometric": "minisblack"},
}


@pytest.mark.parametrize("kind", WRITTEN)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.7, 0.95, 0.995])
def test_a_truncated_file(tmp_path, kind, share):
    tifffile.imwrite(tmp_path / "a.tif", WHOLE, **WRITTEN[kind])
    data = (tmp_path / "a.tif").read_bytes()
    (tmp_path / "a.tif").write_bytes(data[: int(share * len(data))])
    cause = refused(tmp_path / "a.tif")
    assert "truncated" in cause or "incomplete" in cause or "damaged" in cause


@pytest.mark.parametrize("share", [0.1, 0.6, 0.9])
def test_a_truncated_file_whose_directories_come_last(tmp_path, share):
    """As libtiff writes: pixels first, so that a cut file loses its pages, not its pixels."""
    tifffile.imwrite(tmp_path / "a.tif", WHOLE, photometric="minisblack", metadata=None)
    data = (tmp_path / "a.tif").read_bytes()
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        second = tif.pages[1].offset
    (tmp_path / "a.tif").write_bytes(data[: second + int(share * (len(data) - second))])
    assert "truncated" in refused(tmp_path / "a.tif")


def test_a_file_without_pixels(tmp_path):
    with pytest.warns(UserWarning, match="zero-size"):
        tifffile.imwrite(tmp_path / "a.tif", np.zeros((0, 5), "uint8"))
    refused(tmp_path / "a.tif")


@pytest.mark.parametrize("dtype", ["bool", "int8", "int32", "uint64", "complex64"])
def test_pixel_types_outside_the_contract(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.ones((20, 30), dtype))
    assert dtype in refused(tmp_path / "a.tif")


@pytest.mark.parametrize("photometric", ["cielab", "separated"])
def test_colour_models_that_are_not_grey_or_rgb(tmp_path, photometric):
    samples = {"cielab": 3, "separated": 4}[photometric]
    tifffile.imwrite(
        tmp_path / "a.tif", np.ones((20, 30, samples), "uint8"), photometric=photometric
    )
    assert photometric in refused(tmp_path / "a.tif").lower()


def test_damaged_pixels_are_named_when_they_are_read(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, WHOLE[0], compression="deflate")
    with tifffile.TiffFile(path) as tif:
        start, count = tif.pages[0].dataoffsets[0], tif.pages[0].databytecounts[0]
    data = bytearray(path.read_bytes())
    data[start : start + count] = b"\x55" * count
    path.write_bytes(data)
    with open_image(path) as reader, pytest.raises(InputError, match="decoded"):
        reader.read_window(0, slice(0, 5), slice(0, 5))


@pytest.mark.parametrize("words", [{}, {"compression": "deflate"}])
def test_a_file_that_shrinks_while_it_is_read(tmp_path, words):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, WHOLE[0], **words)
    with open_image(path) as reader:
        os.truncate(path, 300)
        with pytest.raises(InputError, match="shorter"):
            reader.read_window(0, slice(30, 40), slice(0, 50))


def test_existing_outputs_are_refused(tmp_path):
    metadata = ImageMetadata("YX", (4, 5), np.dtype("uint8"))
    (tmp_path / "a.tif").write_bytes(b"mine")
    with pytest.raises(OutputError, match="exists already"):
        write_image(tmp_path / "a.tif", metadata, iter(()))
    assert (tmp_path / "a.tif").read_bytes() == b"mine"
    blocks = bands_as_blocks([np.zeros((4, 5, 1), "uint8")], metadata.shape_yx)
    write_image(tmp_path / "a.tif", metadata, blocks, overwrite=True)
    assert tifffile.imread(tmp_path / "a.tif").shape == (4, 5)


@pytest.mark.parametrize("name", ["a.jpg", "a.czi", "a", "no/a.tif", "."])
def test_outputs_that_cannot_be_written(tmp_path, name):
    with pytest.raises(OutputError):
        check_target(tmp_path / name)


def test_a_folder_without_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputError, match="cannot be written to"):
        check_target(tmp_path / "a.tif")


def test_errors_of_images_are_shown_to_users():
    assert issubclass(InputError, FocusfixError)
    assert replace(ImageMetadata("YX", (1, 9), np.dtype("uint8")), format="ome").n_planes == 1
