"""OME-Zarr written from blocks: whole or not at all, valid, and read by zarr itself."""

import json
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import tifffile

from focusfix.blocks import Block, bands_as_blocks
from focusfix.errors import OutputError
from focusfix.io.image import PIXEL_TYPES, ImageMetadata, check_target, open_image, write_image
from focusfix.io.zarr_writer import ZarrOutput, shrink

zarr = pytest.importorskip("zarr")
yaozarrs = pytest.importorskip("yaozarrs")

SIZES = {"T": 2, "Z": 2, "C": 2, "Y": 37, "X": 53, "S": 3, "Q": 4}
VERSIONS = ("0.4", "0.5")


@pytest.fixture(autouse=True)
def _small_chunks(monkeypatch):
    monkeypatch.setattr("focusfix.io.ngff_layout.CHUNK_PX", 20)


def picture(axes, dtype="uint16", seed=0):
    random = np.random.default_rng(seed)
    shape = [SIZES[letter] for letter in axes]
    if np.dtype(dtype).kind == "f":
        return random.normal(100, 30, shape).astype(dtype)
    return random.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def describe(whole, axes, **words):
    return ImageMetadata(axes, whole.shape, whole.dtype, **words)


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


def save(path, whole, axes, **words):
    metadata = describe(whole, axes, **words)
    return write_image(path, metadata, bands(whole, metadata))


def read_planes(path):
    with open_image(path) as reader:
        height, width = reader.metadata.shape_yx
        planes = [
            reader.read_window(at, slice(0, height), slice(0, width))
            for at in range(reader.metadata.n_planes)
        ]
        return np.stack(planes).reshape(reader.metadata.shape), reader.metadata


def attributes(path):
    group = zarr.open_group(path, mode="r")
    return dict(group.attrs["ome"]) if group.metadata.zarr_format == 3 else dict(group.attrs)


def check_valid(path, version):
    """Let an implementation that shares nothing with this one judge the metadata."""
    name = "zarr.json" if version == "0.5" else ".zattrs"
    found = yaozarrs.validate_ome_json((path / name).read_text())
    assert type(found).__module__.startswith(f"yaozarrs.v{version.replace('.', '')}")


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("axes", "stored"),
    [("YX", "yx"), ("CZYX", "czyx"), ("ZTCYX", "tczyx"), ("ZYXS", "czyx"), ("QYX", "qyx")],
)
def test_zarr_reads_what_is_written(tmp_path, axes, stored, version):
    whole = picture(axes)
    save(tmp_path / "a.zarr", whole, axes, ngff_version=version)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    assert group.metadata.zarr_format == (3 if version == "0.5" else 2)
    letters = axes.replace("S", "C").lower()
    expected = whole.transpose([letters.index(letter) for letter in stored])
    np.testing.assert_array_equal(group["0"][...], expected)
    if version == "0.5":
        assert group["0"].metadata.dimension_names == tuple(stored)
    back, found = read_planes(tmp_path / "a.zarr")
    np.testing.assert_array_equal(back.transpose([found.axes.index(a) for a in axes]), whole)


@pytest.mark.parametrize("dtype", PIXEL_TYPES)
def test_every_pixel_type_is_kept(tmp_path, dtype):
    whole = picture("YX", dtype)
    for version in VERSIONS:
        save(tmp_path / f"{version}.zarr", whole, "YX", ngff_version=version)
        back, found = read_planes(tmp_path / f"{version}.zarr")
        assert found.dtype == dtype
        np.testing.assert_array_equal(back, whole)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("axes", ["YX", "TCZYX", "ZYXS"])
def test_metadata_are_valid(tmp_path, axes, version):
    words = {
        "pixel_size_um": (0.25, 0.5),
        "z_spacing_um": 1.5 if "Z" in axes else None,
        "frame_interval_s": 20.0 if "T" in axes else None,
        "channel_names": ("DAPI", "actin") if "C" in axes else None,
        "display_ranges": ((0.0, 90.0), (5.0, 80.0)) if "C" in axes else None,
    }
    save(tmp_path / "a.zarr", picture(axes), axes, ngff_version=version, **words)
    check_valid(tmp_path / "a.zarr", version)
    found = read_planes(tmp_path / "a.zarr")[1]
    if axes != "ZYXS":
        assert {name: getattr(found, name) for name in words if words[name]} == {
            name: value for name, value in words.items() if value
        }
    steps = {"t": 20.0, "c": 1.0, "z": 1.5, "y": 0.25, "x": 0.5}
    multiscale = attributes(tmp_path / "a.zarr")["multiscales"][0]
    names = [axis["name"] for axis in multiscale["axes"]]
    for level, dataset in enumerate(multiscale["datasets"]):
        scale, *shift = dataset["coordinateTransformations"]
        factor = [2**level if name in "yx" else 1 for name in names]
        assert scale["scale"] == [steps[n] * f for n, f in zip(names, factor, strict=True)]
        if level:  # centre of the first pixel of a level
            offsets = [steps[n] * (f - 1) / 2 for n, f in zip(names, factor, strict=True)]
            assert shift[0]["translation"] == offsets


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32"])
def test_levels_are_means_of_two_by_two(tmp_path, dtype, version):
    whole = picture("ZYX", dtype)
    save(tmp_path / "a.zarr", whole, "ZYX", ngff_version=version)
    group = zarr.open_group(tmp_path / "a.zarr", mode="r")
    shapes = [group[str(level)].shape for level in range(3)]
    assert shapes == [(2, 37, 53), (2, 19, 27), (2, 10, 14)]
    assert "3" not in group
    for level in (1, 2):
        above, here = group[str(level - 1)][...], group[str(level)][...]
        assert here.dtype == dtype
        for z, y, x in ((0, 0, 0), (1, here.shape[1] - 1, 3), (1, 4, here.shape[2] - 1)):
            mean = above[z, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].astype(float).mean()
            assert here[z, y, x] == (round(mean) if dtype != "float32" else np.float32(mean))


def test_means_do_not_overflow():
    top = np.full((3, 3, 1), 2**32 - 1, "uint32")
    assert (shrink(top) == 2**32 - 1).all()
    assert shrink(np.float32([[[1], [2]], [[3], [np.nan]]])).shape == (1, 1, 1)


def test_channels_are_kept(tmp_path, save_zarr):
    window = {"min": 0, "max": 65535, "start": 10, "end": 900}
    channels = [
        {"label": label, "color": colour, "window": window, "active": False, "family": "linear"}
        for label, colour in (("DAPI", "0000FF"), ("actin", "FF8800"))
    ]
    omero = {"channels": channels, "rdefs": {"model": "color"}, "version": "0.4"}
    whole = picture("CYX")
    path = save_zarr(tmp_path / "a.zarr", whole, "cyx", omero=omero)
    metadata = read_planes(path)[1]
    for version in VERSIONS:
        target = tmp_path / f"{version}.zarr"
        write_image(target, replace(metadata, ngff_version=version), bands(whole, metadata))
        check_valid(target, version)
        found = attributes(target)["omero"]
        assert found["channels"] == channels
        assert found["rdefs"] == {"model": "color"}


def test_unknown_windows_are_the_extremes_of_the_smallest_level(tmp_path):
    whole = picture("CYX")
    save(tmp_path / "a.zarr", whole, "CYX")
    small = zarr.open_array(tmp_path / "a.zarr" / "2", mode="r")[...]
    found = [channel["window"] for channel in attributes(tmp_path / "a.zarr")["omero"]["channels"]]
    assert [window["start"] for window in found] == [plane.min() for plane in small]
    assert [window["end"] for window in found] == [plane.max() for plane in small]


def test_to_ome_tiff_and_back(tmp_path):
    whole = picture("CZYX")
    words = {"pixel_size_um": (0.25, 0.5), "z_spacing_um": 1.5, "channel_names": ("DAPI", "actin")}
    save(tmp_path / "a.zarr", whole, "CZYX", **words)
    pixels, metadata = read_planes(tmp_path / "a.zarr")
    write_image(tmp_path / "a.tif", metadata, bands(pixels, metadata))
    with tifffile.TiffFile(tmp_path / "a.tif") as tif:
        assert tif.is_ome
        np.testing.assert_array_equal(tif.asarray(), whole)
    _, stored = read_planes(tmp_path / "a.tif")
    assert {name: getattr(stored, name) for name in words} == words
    write_image(tmp_path / "b.zarr", stored, bands(whole, stored))
    one, two = (attributes(tmp_path / name)["omero"]["channels"] for name in ("a.zarr", "b.zarr"))
    assert [channel["color"] for channel in one] == [channel["color"] for channel in two]


@pytest.mark.parametrize("axes", ["CYXS", "CQYX", "QQYX"])
def test_axes_without_a_place_are_refused(tmp_path, axes):
    with pytest.raises(OutputError, match=f"cannot hold the axes {axes}"):
        save(tmp_path / "a.zarr", picture(axes), axes)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("boom"), SystemExit(3)])
def test_an_interrupted_write_leaves_nothing(tmp_path, error):
    whole = picture("YX")
    metadata = describe(whole, "YX")

    def breaking():
        yield next(bands(whole, metadata))
        raise error

    with pytest.raises(type(error)):
        write_image(tmp_path / "a.zarr", metadata, breaking())
    assert list(tmp_path.iterdir()) == []


def test_nothing_has_the_final_name_before_the_end(tmp_path):
    whole = picture("ZYX")
    metadata = describe(whole, "ZYX")
    seen = set()

    def watched():
        for band in bands(whole, metadata):
            seen.update(entry.name for entry in tmp_path.iterdir())
            yield band

    write_image(tmp_path / "a.zarr", metadata, watched())
    assert seen == {"a.zarr.partial"}
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def test_an_image_is_replaced_whole(tmp_path):
    old, new = picture("ZYX"), picture("YX", seed=1)
    save(tmp_path / "a.zarr", old, "ZYX")
    (tmp_path / "a.zarr.partial").mkdir()  # left by a run that was killed
    with pytest.raises(OutputError, match="exists already"):
        save(tmp_path / "a.zarr", new, "YX")
    metadata = describe(new, "YX")
    write_image(tmp_path / "a.zarr", metadata, bands(new, metadata), overwrite=True)
    np.testing.assert_array_equal(read_planes(tmp_path / "a.zarr")[0], new)
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.zarr"]


def test_other_folders_are_not_replaced(tmp_path):
    (tmp_path / "a.zarr").mkdir()
    (tmp_path / "a.zarr" / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="no Zarr folder"):
        check_target(tmp_path / "a.zarr", overwrite=True)
    save(tmp_path / "b.zarr", picture("YX"), "YX")
    with pytest.raises(OutputError, match="within the Zarr folder"):
        check_target(tmp_path / "b.zarr" / "c.zarr")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_takes_no_files(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="cannot be written to"):
        save(tmp_path / "a.zarr", picture("YX"), "YX")


def test_blocks_come_from_several_processes_in_any_order(tmp_path):
    whole = picture("ZYX")
    save(tmp_path / "a.zarr", whole, "ZYX")
    output = ZarrOutput.create(tmp_path / "b.zarr", describe(whole, "ZYX"))
    blocks = list(output.blocks())[::-1]
    assert len(blocks) == 2 * 2 * 3
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=spawned) as pool:
        again = [*blocks, *blocks[:3]]
        pixels = [whole[at.plane, at.rows, at.columns, None] for at in again]
        for _ in pool.map(output.write_block, again, pixels):
            pass
    assert not (tmp_path / "b.zarr").exists()
    output.finish()
    for file in sorted(entry for entry in (tmp_path / "a.zarr").rglob("*") if entry.is_file()):
        other = tmp_path / "b.zarr" / file.relative_to(tmp_path / "a.zarr")
        assert other.read_bytes() == file.read_bytes()


def test_blocks_that_share_chunks_are_refused(tmp_path):
    whole = picture("YX")
    output = ZarrOutput.create(tmp_path / "a.zarr", describe(whole, "YX"))
    for rows, columns in ((slice(0, 8), slice(0, 20)), (slice(8, 20), slice(0, 20))):
        with pytest.raises(ValueError, match="no whole chunks"):
            output.write_block(Block(0, rows, columns), whole[rows, columns, None])
    with pytest.raises(ValueError, match="do not fit"):
        output.write_block(Block(0, slice(0, 20), slice(0, 20)), whole[:20, :20])
    output.write_block(Block(0, slice(20, 37), slice(40, 53)), whole[20:, 40:, None])
    output.discard()
    assert list(tmp_path.iterdir()) == []


def test_metadata_are_plain_json(tmp_path):
    save(tmp_path / "a.zarr", picture("YX"), "YX")
    assert json.loads((tmp_path / "a.zarr" / ".zgroup").read_text()) == {"zarr_format": 2}
    words = json.loads((tmp_path / "a.zarr" / "0" / ".zarray").read_text())
    assert (words["dimension_separator"], words["chunks"]) == ("/", [20, 20])
