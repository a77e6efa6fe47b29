"""OME-Zarr images, written by zarr itself, are read as zarr reads them; broken ones are refused."""

import json
import shutil

import numpy as np
import pytest

from focusfix.errors import InputError
from focusfix.io.image import PIXEL_TYPES, open_image
from focusfix.io.zarr_reader import ZarrReader

zarr = pytest.importorskip("zarr")

RANDOM = np.random.default_rng(0)
WHOLE = RANDOM.integers(0, 4000, (2, 3, 37, 53)).astype("uint16")


def read_planes(reader):
    height, width = reader.metadata.shape_yx
    planes = [
        reader.read_window(at, slice(0, height), slice(0, width))
        for at in range(reader.metadata.n_planes)
    ]
    return np.stack(planes).reshape(reader.metadata.shape)


def change(path, **entries):
    """Change the metadata of the first multiscale image."""
    place = path / ".zattrs"
    content = json.loads(place.read_text())
    content["multiscales"][0].update(entries)
    place.write_text(json.dumps(content))


def refused(path, **words):
    with pytest.raises(InputError) as info:
        open_image(path, **words)
    error = info.value
    assert str(path) in error.cause
    assert error.cause.endswith(".")
    assert error.fix.endswith(".")
    return error.cause


LAYOUTS = {
    "whole": {"chunks": WHOLE.shape},
    "one plane a chunk": {"chunks": (1, 1, 16, 16)},
    "several planes a chunk": {"chunks": (1, 3, 16, 20)},
    "big-endian": {"chunks": (2, 2, 10, 53), "dtype": ">u2"},
    "not compressed": {"chunks": (1, 1, 37, 53), "compressors": None},
    "shards": {"chunks": (1, 1, 8, 8), "shards": (1, 1, 16, 16), "version": "0.5"},
}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("cache_bytes", [0, 2**28])
def test_every_layout_is_read(tmp_path, save_zarr, layout, version, cache_bytes):
    words = {"version": version, **LAYOUTS[layout]}
    pixels = WHOLE.astype(words.pop("dtype", "uint16"))
    path = save_zarr(tmp_path / "a.zarr", pixels, "czyx", **words)
    with ZarrReader(path, cache_bytes=cache_bytes) as reader:
        assert (reader.metadata.axes, reader.metadata.shape) == ("CZYX", WHOLE.shape)
        assert reader.metadata.dtype == np.dtype("uint16")
        np.testing.assert_array_equal(read_planes(reader), WHOLE)
        for plane, rows, columns in ((5, (3, 30), (11, 12)), (0, (36, 37), (0, 53))):
            window = reader.read_window(plane, slice(*rows), slice(*columns))
            expected = WHOLE.reshape(6, 37, 53)[plane, slice(*rows), slice(*columns), None]
            np.testing.assert_array_equal(window, expected)


def test_a_chunk_is_decoded_once_for_neighbouring_windows(tmp_path, save_zarr, monkeypatch):
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx", chunks=(1, 3, 16, 16))
    with ZarrReader(path) as reader:
        array = reader.blocks._array
        regions, read = [], array.read
        monkeypatch.setattr(array, "read", lambda region: regions.append(region) or read(region))
        for plane in range(3):
            for row in range(37):
                reader.read_window(plane, slice(row, row + 1), slice(0, 53))
    assert len(regions) == 3  # rows of chunks, each with all z-levels


def test_chunks_too_large_to_keep_are_told(tmp_path, save_zarr):
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx", chunks=(1, 3, 16, 16))
    with ZarrReader(path, cache_bytes=3000) as reader:
        assert any("3 planes" in note for note in reader.notes)
        np.testing.assert_array_equal(read_planes(reader), WHOLE)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("dtype", PIXEL_TYPES)
def test_every_pixel_type_is_read(tmp_path, save_zarr, dtype, version):
    pixels = RANDOM.integers(0, 200, (20, 30)).astype(dtype)
    with open_image(save_zarr(tmp_path / "a.zarr", pixels, "yx", version=version)) as reader:
        assert reader.metadata.dtype == dtype
        np.testing.assert_array_equal(read_planes(reader), pixels)


@pytest.mark.parametrize("dtype", ["int32", "int64", "bool", "complex64"])
def test_other_pixel_types_are_refused(tmp_path, save_zarr, dtype):
    assert dtype in refused(save_zarr(tmp_path / "a.zarr", np.zeros((9, 9), dtype), "yx"))


@pytest.mark.parametrize("axes", ["yx", "zyx", "cyx", "tyx", "tcyx", "tzyx", "czyx", "tczyx"])
def test_axes_and_scales_are_read(tmp_path, save_zarr, axes):
    sizes, steps = (
        {"t": 2, "c": 3, "z": 4, "y": 20, "x": 30},
        {"t": 7.5, "c": 1, "z": 1.5, "y": 0.25, "x": 0.5},
    )
    shape = [sizes[axis] for axis in axes]
    path = save_zarr(
        tmp_path / "a.zarr", np.ones(shape, "uint8"), axes, scale=[steps[a] for a in axes]
    )
    with open_image(path) as reader:
        found = reader.metadata
    assert (found.axes, found.shape, found.format) == (axes.upper(), tuple(shape), "ome-zarr")
    assert found.pixel_size_um == (0.25, 0.5)
    assert found.z_spacing_um == (1.5 if "z" in axes else None)
    assert found.frame_interval_s == (7.5 if "t" in axes else None)


def test_scales_are_multiplied_and_units_converted(tmp_path, save_zarr):
    path = save_zarr(tmp_path / "a.zarr", np.ones((20, 30), "uint8"), "yx", scale=[250, 0.5])
    axes = [{"name": "y", "type": "space", "unit": "nanometer"}, {"name": "x", "type": "space"}]
    change(path, axes=axes, coordinateTransformations=[{"type": "scale", "scale": [2, 1]}])
    with open_image(path) as reader:
        assert reader.metadata.pixel_size_um is None  # x has no unit
    axes[1]["unit"] = "millimeter"
    change(path, axes=axes)
    with open_image(path) as reader:
        assert reader.metadata.pixel_size_um == pytest.approx((0.5, 500.0))


def test_channels_are_read(tmp_path, save_zarr):
    window = {"min": 0, "max": 65535, "start": 10, "end": 900}
    omero = {"channels": [{"label": "DAPI", "color": "0000FF", "window": window}] * 2}
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx", omero=omero)
    with open_image(path) as reader:
        assert reader.metadata.channel_names == ("DAPI", "DAPI")
        assert reader.metadata.display_ranges == ((10.0, 900.0),) * 2


def test_colours_are_known_by_the_names_of_their_channels(tmp_path, save_zarr):
    names = (("Red", "FF0000"), ("Green", "00FF00"), ("Blue", "0000FF"))
    channels = [{"label": name, "color": colour, "window": {}} for name, colour in names]
    pixels = RANDOM.integers(0, 255, (3, 20, 30)).astype("uint8")
    path = save_zarr(tmp_path / "a.zarr", pixels, "cyx", omero={"channels": channels})
    with open_image(path) as reader:
        assert reader.metadata.axes == "YXS"
        np.testing.assert_array_equal(read_planes(reader), np.moveaxis(pixels, 0, -1))
    with open_image(path, axes="CYX") as reader:
        assert reader.metadata.axes == "CYX"
        np.testing.assert_array_equal(read_planes(reader), pixels)


@pytest.mark.parametrize("version", ["0.1", "0.2", "0.3"])
def test_old_versions_are_read(tmp_path, save_zarr, version):
    pixels = WHOLE[None]
    separator = {"name": "v2", "separator": "." if version == "0.1" else "/"}
    path = save_zarr(tmp_path / "a.zarr", pixels, "tczyx", chunk_key_encoding=separator)
    axes = {"axes": list("tczyx")} if version == "0.3" else {}
    entry = {"version": version, **axes, "datasets": [{"path": "0"}]}
    (path / ".zattrs").write_text(json.dumps({"multiscales": [entry]}))
    with open_image(path) as reader:
        assert reader.metadata.axes == "TCZYX"
        assert reader.metadata.pixel_size_um is None
        np.testing.assert_array_equal(read_planes(reader), pixels)


def test_axes_in_another_order_are_brought_in_order(tmp_path, save_zarr):
    pixels = WHOLE[0].transpose(1, 2, 0)
    path = save_zarr(tmp_path / "a.zarr", pixels, "yxz")
    with open_image(path) as reader:
        assert reader.metadata.axes == "ZYX"
        assert any("order" in note for note in reader.notes)
        np.testing.assert_array_equal(read_planes(reader), WHOLE[0])
    with open_image(path, axes="TYX") as reader:
        assert reader.metadata.shape == pixels.shape
    assert "do not fit" in refused(path, axes="YX")
    assert "do not fit" in refused(path, axes="YYX")


def test_what_lies_beside_the_image_is_told(tmp_path, save_zarr):
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx")
    zarr.open_group(path / "labels", mode="w", zarr_format=2)
    content = json.loads((path / ".zattrs").read_text())
    (path / ".zattrs").write_text(json.dumps({**content, "lab": "ours"}))
    with open_image(path) as reader:
        assert any("labels" in note and "not copied" in note for note in reader.notes)
        assert any("lab" in note and "attributes" in note for note in reader.notes)


def test_the_first_image_of_bioformats2raw_is_read(tmp_path, save_zarr):
    zarr.open_group(tmp_path, mode="w", zarr_format=2).attrs["bioformats2raw.layout"] = 3
    for name in ("0", "1"):
        save_zarr(tmp_path / name, WHOLE, "czyx")
    with open_image(tmp_path) as reader:
        np.testing.assert_array_equal(read_planes(reader), WHOLE)
        assert any("2 images" in note for note in reader.notes)


def test_chunks_that_are_not_stored_are_told(tmp_path, save_zarr):
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx", chunks=(1, 1, 37, 53))
    shutil.rmtree(path / "0" / "1")
    with open_image(path) as reader:
        assert any("3 chunks are not stored" in note for note in reader.notes)
        assert not reader.read_window(5, slice(0, 37), slice(0, 53)).any()


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("damage", ["cut", "scrambled", "empty"])
def test_a_damaged_chunk_is_named(tmp_path, save_zarr, version, damage):
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx", chunks=(1, 1, 37, 53), version=version)
    chunk = path / "0" / ("c/1/0/0/0" if version == "0.5" else "1/0/0/0")
    whole = chunk.read_bytes()
    content = {"cut": whole[: len(whole) // 2], "scrambled": whole[::-1], "empty": b""}
    chunk.write_bytes(content[damage])
    with open_image(path) as reader:
        reader.read_window(0, slice(0, 37), slice(0, 53))
        with pytest.raises(InputError, match="damaged: a chunk at"):
            reader.read_window(3, slice(0, 37), slice(0, 53))


BROKEN = {
    "multiscales": ({"multiscales": 5}, "multiscales is no list"),
    "axes": ({"axes": "yx"}, "axes is no list"),
    "axis": ({"axes": [{"type": "space"}] * 4}, "has no name"),
    "no x": ({"axes": list("tczy")}, "without one y and one x"),
    "number of axes": ({"axes": list("zyx"), "datasets": [{"path": "0"}]}, "names 3 axes"),
    "datasets": ({"datasets": []}, "datasets is no list"),
    "path": ({"datasets": [{}]}, "no path"),
    "scale": (
        {"coordinateTransformations": [{"type": "scale", "scale": [1, 2]}]},
        "does not have a number",
    ),
    "version": ({"version": "0.7"}, "OME-Zarr 0.7"),
    "level": ({"datasets": [{"path": "nowhere"}]}, "holds no Zarr array"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_broken_metadata_are_named(tmp_path, save_zarr, what):
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx")
    entries, expected = BROKEN[what]
    if what == "multiscales":
        (path / ".zattrs").write_text(json.dumps(entries))
    else:
        change(path, **entries)
    assert expected in refused(path)


def test_broken_json_is_named(tmp_path, save_zarr):
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx")
    (path / ".zattrs").write_text("{")
    assert "no JSON" in refused(path)
    (path / ".zattrs").write_text("[]")
    assert "no JSON object" in refused(path)


@pytest.mark.parametrize("compressor", ["unknown-to-all", 5])
def test_an_unknown_compression_is_named(tmp_path, save_zarr, compressor):
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx")
    place = path / "0" / ".zarray"
    words = json.loads(place.read_text())
    place.write_text(json.dumps({**words, "compressor": {"id": compressor}}))
    assert "unsupported kind" in refused(path)


def test_groups_that_are_no_image_are_told_apart(tmp_path, save_zarr):
    zarr.open_group(tmp_path / "group.zarr", mode="w", zarr_format=3)
    assert "without an OME-Zarr image" in refused(tmp_path / "group.zarr")
    path = save_zarr(tmp_path / "a.zarr", WHOLE, "czyx")
    assert "array without the metadata" in refused(path / "0")
    (tmp_path / "empty.zarr").mkdir()
    assert "without a Zarr image" in refused(tmp_path / "empty.zarr")
    plate = zarr.open_group(tmp_path / "plate.zarr", mode="w", zarr_format=2)
    plate.attrs["plate"] = {"wells": []}
    assert "a plate of many images" in refused(tmp_path / "plate.zarr")


def test_an_image_without_pixels_is_refused(tmp_path, save_zarr):
    path = save_zarr(tmp_path / "a.zarr", np.zeros((0, 5), "uint8"), "yx", chunks=(1, 5))
    assert "no pixels" in refused(path)


@pytest.mark.parametrize("name", ["https://x.org/a.zarr", "s3://bucket/a.zarr"])
def test_addresses_are_refused(name):
    with pytest.raises(InputError, match="is an address"):
        open_image(name)


@pytest.mark.parametrize(
    ("plane", "rows", "columns"),
    [(6, (0, 1), (0, 1)), (-1, (0, 1), (0, 1)), (0, (0, 38), (0, 1)), (0, (5, 5), (0, 1))],
)
def test_windows_outside_are_refused(tmp_path, save_zarr, plane, rows, columns):
    with (
        open_image(save_zarr(tmp_path / "a.zarr", WHOLE, "czyx")) as reader,
        pytest.raises(IndexError),
    ):
        reader.read_window(plane, slice(*rows), slice(*columns))


def test_chunks_that_rows_of_windows_share_are_put_aside(tmp_path, save_zarr, monkeypatch):
    monkeypatch.setattr("focusfix.io.decoded._LEAST_BYTES", 0)
    whole = RANDOM.integers(0, 4000, (200, 300)).astype("uint16")
    path = save_zarr(tmp_path / "a.zarr", whole, "yx", chunks=(20, 20))
    with ZarrReader(path) as reader:
        assert reader.chunk_yx == (20, 20)
        array = reader.blocks._array
        regions, read = [], array.read
        monkeypatch.setattr(array, "read", lambda region: regions.append(region) or read(region))
        for top in range(0, 200, 50):
            rows = slice(max(top - 10, 0), min(top + 60, 200))
            for left in range(0, 300, 50):
                columns = slice(max(left - 10, 0), min(left + 60, 300))
                window = reader.read_window(0, rows, columns)
                np.testing.assert_array_equal(window[..., 0], whole[rows, columns])
                assert len(reader.blocks._decoded) <= 5 * 5 + 2 * 15
    n_pixels = sum((y.stop - y.start) * (x.stop - x.start) for y, x in regions)
    assert n_pixels <= whole.size + 2 * 20 * 300


def test_chunks_as_wide_as_the_plane_are_decoded_once(tmp_path, save_zarr, monkeypatch):
    monkeypatch.setattr("focusfix.io.decoded._LEAST_BYTES", 0)
    path = save_zarr(tmp_path / "a.zarr", WHOLE[0, 0], "yx", chunks=(2, 53))
    with ZarrReader(path, cache_bytes=1) as reader:
        assert reader.chunk_yx == (2, 53)
        array = reader.blocks._array
        regions, read = [], array.read
        monkeypatch.setattr(array, "read", lambda region: regions.append(region) or read(region))
        for top in range(0, 37, 10):
            for left in range(0, 53, 10):
                rows = slice(max(top - 3, 0), min(top + 13, 37))
                reader.read_window(0, rows, slice(left, min(left + 12, 53)))
    assert len(regions) == -(-37 // 2)
