"""Files written from blocks: whole or not at all, in a form that ImageJ opens, with flat memory."""

import struct
import subprocess
import sys
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

from focusfix.blocks import Block, bands_as_blocks
from focusfix.errors import OutputError
from focusfix.io.image import ImageMetadata, open_image, write_image
from focusfix.io.tiff_plan import plan_tiff

WHOLE = np.arange(3 * 40 * 50, dtype="uint16").reshape(3, 40, 50)
STACK = ImageMetadata("ZYX", (3, 40, 50), np.dtype("uint16"), format="imagej")


def bands(whole, height=16):
    """Cut planes into blocks of the full width."""
    cut = (plane[top : top + height, :, None] for plane in whole for top in range(0, 40, height))
    return bands_as_blocks(cut, whole.shape[1:])


def breaking(error, after=4):
    for at, band in enumerate(bands(WHOLE)):
        if at == after:
            raise error
        yield band


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("boom"), SystemExit(3)])
@pytest.mark.parametrize("kind", ["imagej", "ome", "tiff"])
@pytest.mark.parametrize("compression", ["none", "lzw"])
@pytest.mark.parametrize("after", [0, 4])
def test_an_interrupted_write_leaves_nothing(tmp_path, error, kind, compression, after):
    metadata = ImageMetadata("ZYX", (3, 40, 50), np.dtype("uint16"), format=kind)
    with pytest.raises(type(error)):
        write_image(tmp_path / "a.tif", metadata, breaking(error, after), compression=compression)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_overwrite_leaves_the_old_file(tmp_path):
    write_image(tmp_path / "a.tif", STACK, bands(WHOLE))
    with pytest.raises(KeyboardInterrupt):
        write_image(tmp_path / "a.tif", STACK, breaking(KeyboardInterrupt()), overwrite=True)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tif"]
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "a.tif"), WHOLE)


def test_nothing_has_the_final_name_before_the_end(tmp_path):
    seen = []

    def watched():
        for band in bands(WHOLE):
            seen.append(sorted(entry.name for entry in tmp_path.iterdir()))
            yield band

    write_image(tmp_path / "a.tif", STACK, watched())
    assert all("a.tif" not in names for names in seen)
    assert seen[-1] == ["a.tif.partial"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tif"]


FULL_DISK = """
import resource, signal, sys
import numpy as np
from focusfix.blocks import bands_as_blocks
from focusfix.errors import OutputError
from focusfix.io.image import ImageMetadata, write_image
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
metadata = ImageMetadata("ZYX", (8, 256, 256), np.dtype("uint16"), format=sys.argv[2])
rows = (np.random.default_rng(at).integers(0, 60000, (64, 256, 1), "uint16") for at in range(32))
try:
    blocks = bands_as_blocks(rows, (256, 256))
    write_image(sys.argv[1], metadata, blocks, compression=sys.argv[3])
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
@pytest.mark.parametrize("compression", ["none", "lzw"])
@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_a_full_disk_leaves_nothing(tmp_path, kind, compression):
    target = tmp_path / "a.tif"
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, target, kind, compression],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert ran.stderr == ""
    assert f"{target} could not be written: the disk is full" in ran.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_while_the_last_bytes_are_written(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tifffile.TiffWriter, "close", fail)
    with pytest.raises(OutputError, match="disk is full"):
        write_image(tmp_path / "a.tif", STACK, bands(WHOLE))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_vanishes(tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()

    def vanishing():
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()
        yield from bands(WHOLE)

    with pytest.raises(OutputError, match="could not be written"):
        write_image(folder / "a.tif", STACK, vanishing())


def block(rows, columns, plane=0):
    return Block(plane, slice(*rows), slice(*columns)), WHOLE[
        plane, slice(*rows), slice(*columns), None
    ]


PLANE = (0, 40), (0, 50)


@pytest.mark.parametrize(
    ("made", "words"),
    [
        (lambda: list(bands(WHOLE))[:-1], "end while 400 pixels of plane 2 are missing"),
        (list, "2000 pixels of plane 0"),
        (lambda: [*bands(WHOLE), block((0, 1), (0, 50))], "more blocks than the 3 planes"),
        (lambda: [block(*PLANE)], "the blocks end before plane 1"),
        (lambda: [block(*PLANE), block(*PLANE)], "plane 0 comes while 2000 pixels of plane 1"),
        (
            lambda: [block((0, 9), (0, 50)), block(*PLANE, plane=1)],
            "plane 1 comes while 1550 pixels of plane 0",
        ),
        (lambda: [block((0, 30), (0, 50)), block((29, 40), (0, 50))], "overlap"),
        (lambda: [block((0, 40), (0, 30)), block((0, 40), (29, 50))], "overlap"),
        (
            lambda: [block((0, 9), (0, 9)), block((9, 18), (0, 9)), block((3, 12), (8, 20))],
            "overlap",
        ),
        (lambda: [block((3, 9), (7, 9)), block(*PLANE)], "overlap"),
        (lambda: [block((0, 40), (0, 49)), block((30, 31), (20, 21))], "overlap"),
        (lambda: [(Block(0, slice(0, 41), slice(0, 50)), WHOLE[0, :, :, None])], "no part of"),
        (lambda: [(Block(0, slice(0, 40), slice(-1, 49)), WHOLE[0, :, :, None])], "no part of"),
        (lambda: [(Block(0, slice(5, 5), slice(0, 50)), WHOLE[0, :0, :, None])], "no part of"),
        (lambda: [(block(*PLANE)[0], WHOLE[0, :, :49, None])], "do not fit"),
        (lambda: [(block(*PLANE)[0], WHOLE[0, :, :, None].astype("uint8"))], "do not fit"),
        (lambda: [(block(*PLANE)[0], WHOLE[0])], "do not fit"),
    ],
)
@pytest.mark.parametrize("compression", ["none", "deflate"])
@pytest.mark.parametrize("tiled", [False, True])
def test_blocks_that_are_not_the_image_are_refused(
    tmp_path, monkeypatch, made, words, compression, tiled
):
    monkeypatch.setattr("focusfix.io.tiff_plan._TILE_PX", 16)
    metadata = replace(STACK, tiled=tiled, format="ome")
    with pytest.raises(ValueError, match=words):
        write_image(tmp_path / "a.tif", metadata, made(), compression=compression)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("compression", ["none", "lzw"])
@pytest.mark.parametrize("kind", ["imagej", "ome", "tiff"])
def test_above_4_gb_a_bigtiff_is_written(tmp_path, kind, compression):
    metadata = ImageMetadata("ZYX", (3, 40, 50), np.dtype("uint16"), format=kind)
    small = write_image(
        tmp_path / "a.tif", metadata, bands(WHOLE), compression=compression, bigtiff_bytes=12_000
    )
    large = write_image(
        tmp_path / "b.tif", metadata, bands(WHOLE), compression=compression, bigtiff_bytes=11_999
    )
    assert small == ()
    assert any("BigTIFF" in note for note in large)
    assert any("OME-TIFF" in note for note in large) == (kind == "imagej")
    for name, big in (("a.tif", False), ("b.tif", True)):
        with tifffile.TiffFile(tmp_path / name) as tif:
            assert tif.is_bigtiff == big
            assert tif.is_imagej == (kind == "imagej" and not big)
            assert tif.series[0].axes == "ZYX"
            np.testing.assert_array_equal(tif.asarray(), WHOLE)


def test_bigtiff_begins_below_the_limit_of_classic_tiff():
    side = 2**15
    below = ImageMetadata("YX", (side * 2 - side // 32, side), np.dtype("uint16"), format="imagej")
    above = ImageMetadata("YX", (side * 2, side), np.dtype("uint16"), format="imagej")
    assert plan_tiff(Path("a.tif"), below).kind == "imagej"
    assert plan_tiff(Path("a.tif"), above).kind == "ome"
    assert plan_tiff(Path("a.tif"), above).bigtiff


def test_an_ome_name_asks_for_ome(tmp_path):
    write_image(tmp_path / "a.ome.tif", STACK, bands(WHOLE))
    with open_image(tmp_path / "a.ome.tif") as reader:
        assert reader.metadata.format == "ome"


@pytest.mark.parametrize(
    ("stored", "kind", "expected", "said"),
    [
        (None, "imagej", "none", False),
        ("lzw", "imagej", "lzw", False),
        ("deflate", "ome", "deflate", False),
        ("zstd", "ome", "zstd", False),
        ("zstd", "imagej", "deflate", True),
        ("jpeg", "tiff", "deflate", True),
        ("packbits", "tiff", "deflate", True),
        ("webp", "ome", "deflate", True),
        ("png", "tiff", "deflate", True),
    ],
)
def test_compression_is_kept_unless_it_loses_or_does_not_fit(
    tmp_path, stored, kind, expected, said
):
    metadata = ImageMetadata("YX", (4, 5), np.dtype("uint8"), format=kind, compression=stored)
    plan = plan_tiff(tmp_path / "a.tif", metadata)
    assert plan.compression == expected
    assert any("becomes" in note for note in plan.notes) == said


@pytest.mark.parametrize(
    ("axes", "shape", "dtype"),
    [("YX", (4, 5), "float64"), ("YX", (4, 5), "float16"), ("ZYXS", (2, 4, 5, 3), "uint16")],
)
def test_what_fiji_misreads_compressed_is_not_compressed(tmp_path, axes, shape, dtype):
    metadata = ImageMetadata(axes, shape, np.dtype(dtype), format="ome", compression="lzw")
    plan = plan_tiff(tmp_path / "a.tif", metadata)
    assert plan.compression == "none"
    assert any("not compressed" in note for note in plan.notes)
    assert plan_tiff(tmp_path / "a.tif", metadata, compression="lzw").compression == "lzw"


def test_an_unknown_compression_is_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="lzma"):
        plan_tiff(tmp_path / "a.tif", STACK, compression="lzma")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dtype": "uint32"}, "uint32"),
        ({"dtype": "float64"}, "float64"),
        ({"axes": "CZYX", "shape": (2, 3, 40, 50)}, "axes CZYX"),
        ({"axes": "YXS", "shape": (40, 50, 3)}, "RGB of type uint16"),
    ],
)
def test_what_imagej_does_not_hold_becomes_ome(tmp_path, changes, words):
    base = {"axes": "ZYX", "shape": (3, 40, 50), "dtype": "uint16"} | changes
    metadata = ImageMetadata(base["axes"], base["shape"], np.dtype(base["dtype"]), format="imagej")
    plan = plan_tiff(tmp_path / "a.tif", metadata)
    assert plan.kind == "ome"
    assert any(words in note for note in plan.notes)


def imagej_reads(path):
    """Read a stack as ImageJ does: the first directory, the description, then one run of pixels."""
    data = path.read_bytes()
    assert data[:4] == b"II*\0"
    start = struct.unpack_from("<I", data, 4)[0]
    tags = {}
    for at in range(struct.unpack_from("<H", data, start)[0]):
        code, kind, count, value = struct.unpack_from("<HHII", data, start + 2 + 12 * at)
        tags[code] = (kind, count, value)
    assert 322 not in tags, "ImageJ opens no tiles"
    assert tags[259][2] == 1
    assert tags[273][1] == 1, "ImageJ takes the planes of a stack as single strips"
    at, count = tags[270][2], tags[270][1]
    text = data[at : at + count].split(b"\0")[0].decode("ascii")
    assert text.startswith("ImageJ=")
    words = dict(line.split("=", 1) for line in text.splitlines())
    images = int(words.get("images", 1))
    shape = images, tags[257][2], tags[256][2]
    kind = {8: "<u1", 16: "<u2", 32: "<f4"}[tags[258][2]]
    run = np.frombuffer(data, kind, count=int(np.prod(shape)), offset=tags[273][2])
    return run.reshape(shape), words


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_an_imagej_stack_is_what_imagej_expects(tmp_path, dtype):
    whole = np.arange(2 * 3 * 2 * 40 * 50).reshape(2, 3, 2, 40, 50).astype(dtype)
    metadata = ImageMetadata(
        "TZCYX", whole.shape, np.dtype(dtype), format="imagej", z_spacing_um=0.5,
        pixel_size_um=(0.1, 0.1), frame_interval_s=30.0, display_ranges=((1.0, 99.0), (2.0, 80.0)),
    )  # fmt: skip
    write_image(tmp_path / "a.tif", metadata, bands(whole.reshape(12, 40, 50)))
    pixels, words = imagej_reads(tmp_path / "a.tif")
    np.testing.assert_array_equal(pixels, whole.reshape(12, 40, 50))
    expected = {
        "images": "12", "channels": "2", "slices": "3", "frames": "2", "hyperstack": "true",
        "spacing": "0.5", "unit": "micron", "finterval": "30.0", "min": "1.0", "max": "99.0",
    }  # fmt: skip
    assert {key: words[key] for key in expected} == expected


@pytest.mark.parametrize("compression", ["lzw", "deflate"])
def test_a_compressed_imagej_stack_has_a_directory_for_each_plane(tmp_path, compression):
    write_image(tmp_path / "a.tif", STACK, bands(WHOLE), compression=compression)
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert len(tif.pages) == 3
        assert tif.is_imagej
        np.testing.assert_array_equal([page.asarray() for page in tif.pages], WHOLE)


@pytest.mark.parametrize("compression", ["none", "lzw"])
@pytest.mark.parametrize("kind", ["imagej", "ome", "tiff"])
def test_memory_does_not_grow_with_the_image(tmp_path, compression, kind):
    def peak(height):
        metadata = ImageMetadata("YX", (height, 2000), np.dtype("uint16"), format=kind)
        rows = (np.full((64, 2000, 1), at, "uint16") for at in range(height // 64))
        blocks = bands_as_blocks(rows, metadata.shape_yx)
        tracemalloc.start()
        try:
            write_image(tmp_path / f"{height}.tif", metadata, blocks, compression=compression)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(64 * 60) < 1.5 * peak(64 * 6)
