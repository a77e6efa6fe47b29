"""Windows of TIFF planes: how little is decoded, which axes are which, what is said."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tifffile

from focusfix.errors import InputError
from focusfix.io.image import open_image
from focusfix.io.tiff_reader import TiffReader


def write(path, whole, **words):
    words.setdefault("photometric", "minisblack")
    tifffile.imwrite(path, whole, **words)
    return whole


def whole_plane(reader, at=0):
    height, width = reader.metadata.shape_yx
    return reader.read_window(at, slice(0, height), slice(0, width))[..., 0]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tif"


@pytest.mark.parametrize(
    ("words", "rows", "columns", "expected"),
    [
        ({"tile": (32, 32)}, slice(0, 32), slice(0, 32), 1),
        ({"tile": (32, 32)}, slice(31, 33), slice(31, 33), 4),
        ({"tile": (32, 32)}, slice(0, 256), slice(40, 41), 8),
        ({"compression": "lzw", "rowsperstrip": 8}, slice(16, 24), slice(0, 300), 1),
        ({"compression": "lzw", "rowsperstrip": 8}, slice(15, 25), slice(0, 5), 3),
        ({"compression": "lzw", "tile": (64, 64)}, slice(0, 256), slice(0, 300), 20),
    ],
)
def test_only_the_segments_of_the_window_are_decoded(path, words, rows, columns, expected):
    whole = write(path, np.arange(256 * 300, dtype="uint16").reshape(256, 300), **words)
    with TiffReader(path) as reader:
        window = reader.read_window(0, rows, columns)[..., 0]
        assert reader.store.n_decoded == expected
        np.testing.assert_array_equal(window, whole[rows, columns])


def test_a_plane_of_usual_size_is_decoded_once_however_often_it_is_read(path):
    """Intensities are surveyed in rows of tiles, then the network takes overlapping windows."""
    write(path, np.zeros((3000, 3200), dtype="uint16"), compression="lzw", tile=(512, 512))
    with TiffReader(path) as reader:
        for top in range(0, 3000, 512):
            reader.read_window(0, slice(top, min(top + 512, 3000)), slice(0, 3200))
        for top in (0, 1200):
            for left in (0, 1300):
                reader.read_window(0, slice(top, top + 1800), slice(left, left + 1900))
        assert reader.store.n_decoded == 6 * 7


def test_a_row_of_tiles_decodes_each_strip_once(path):
    whole = write(
        path,
        np.arange(128 * 2000, dtype="uint32").reshape(128, 2000),
        compression="deflate",
        rowsperstrip=4,
    )
    with TiffReader(path, cache_bytes=64 * 2000 * 4) as reader:
        for left in range(0, 2000, 100):
            reader.read_window(0, slice(0, 60), slice(left, left + 100))
        assert reader.store.n_decoded == 15
        np.testing.assert_array_equal(whole_plane(reader), whole)


def read_in_tiles(reader, core, halo, page=0):
    """Read the windows of tiles as the engine does: row by row, each with its halo."""
    height, width = reader.metadata.shape_yx
    for top in range(0, height, core):
        rows = slice(max(top - halo, 0), min(top + core + halo, height))
        for left in range(0, width, core):
            yield reader.read_window(
                page, rows, slice(max(left - halo, 0), min(left + core + halo, width))
            )


@pytest.mark.parametrize("width", [512, 4096])
def test_the_tiles_of_one_window_are_kept(path, monkeypatch, width):
    monkeypatch.setattr("focusfix.io.decoded._LEAST_BYTES", 0)
    monkeypatch.setattr("focusfix.io.decoded._SHELF_BYTES", 0)
    write(path, np.zeros((512, width), "uint8"), tile=(32, 32), compression="deflate")
    with TiffReader(path) as reader:
        held = [len(reader.store.decoded) for _ in read_in_tiles(reader, core=64, halo=16)]
        assert max(held) == 16
        n_rows = 3 + 6 * 4 + 3  # those that hold a halo are decoded for two rows of windows
        assert reader.store.n_decoded == n_rows * width // 32


@pytest.mark.parametrize(("core", "halo"), [(64, 16), (80, 8), (100, 20)])
@pytest.mark.parametrize("pages", [1, 2])
def test_tiles_that_rows_of_windows_share_are_put_aside(path, monkeypatch, core, halo, pages):
    monkeypatch.setattr("focusfix.io.decoded._LEAST_BYTES", 0)
    whole = np.random.default_rng(0).integers(0, 9, (pages, 512, 1024)).astype("uint8")
    write(path, whole, tile=(32, 32), compression="deflate", metadata={"axes": "ZYX"})
    with TiffReader(path) as reader:
        for page in range(pages):
            for _ in read_in_tiles(reader, core, halo, page):
                n_down = -(-(core + 2 * halo) // 32) + 1
                assert len(reader.store.decoded) <= n_down**2 + 4 * 32
        # Until the second row of windows begins, nobody knows how much they overlap.
        assert 512 * pages <= reader.store.n_decoded <= 512 * pages + 2 * 32


def test_the_shelf_has_a_limit(path, monkeypatch):
    monkeypatch.setattr("focusfix.io.decoded._LEAST_BYTES", 0)
    monkeypatch.setattr("focusfix.io.decoded._SHELF_BYTES", 20 * 32 * 32)
    write(path, np.zeros((512, 1024), "uint8"), tile=(32, 32), compression="deflate")
    with TiffReader(path) as reader:
        held = [len(reader.store.decoded) for _ in read_in_tiles(reader, core=64, halo=16)]
        assert max(held) == 16 + 20
        without = (3 + 6 * 4 + 3) * 32
        assert 512 < reader.store.n_decoded < without - 6 * 20


def test_the_tiles_of_several_megabytes_are_kept_anyway(path):
    write(path, np.zeros((256, 320), "uint8"), tile=(32, 32), compression="deflate")
    with TiffReader(path) as reader:
        for _ in read_in_tiles(reader, core=64, halo=16):
            pass
        assert reader.store.n_decoded == len(reader.store.decoded) == 80


def test_full_rows_of_tiles_are_kept_until_they_are_read(path):
    write(path, np.zeros((256, 320), "uint8"), tile=(32, 32), compression="deflate")
    with TiffReader(path, cache_bytes=1) as reader:
        for top in range(0, 256, 8):
            reader.read_window(0, slice(top, top + 8), slice(0, 320))
        assert reader.store.n_decoded == 80
        whole_plane(reader)
        assert len(reader.store.decoded) == 10


@pytest.mark.parametrize("cache_bytes", [1, 2**28])
@pytest.mark.parametrize("rows_per_strip", [1, 7, 64, 300])
def test_strips_are_decoded_once_by_windows_row_by_row(
    path, monkeypatch, rows_per_strip, cache_bytes
):
    monkeypatch.setattr("focusfix.io.decoded._LEAST_BYTES", 0)
    whole = np.random.default_rng(0).integers(0, 9, (300, 400)).astype("uint8")
    write(path, whole, compression="deflate", rowsperstrip=rows_per_strip)
    with TiffReader(path, cache_bytes=cache_bytes) as reader:
        assert reader.chunk_yx == (rows_per_strip, 400)
        for _ in read_in_tiles(reader, core=64, halo=16):
            assert len(reader.store.decoded) <= -(-96 // rows_per_strip) + 1
        assert reader.store.n_decoded == -(-300 // rows_per_strip)


def test_a_plane_that_is_read_whole_is_not_kept_beside(path, monkeypatch):
    monkeypatch.setattr("focusfix.io.decoded._LEAST_BYTES", 0)
    write(path, np.zeros((300, 400), "uint8"), compression="deflate", rowsperstrip=10)
    with TiffReader(path, cache_bytes=50_000) as reader:
        whole_plane(reader)
        assert len(reader.store.decoded) == 12


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"tile": (32, 48)}, (32, 48)),
        ({"compression": "lzw", "rowsperstrip": 8}, (8, 300)),
        ({"compression": "lzw", "rowsperstrip": 256}, (256, 300)),
        ({"tile": (512, 512), "compression": "lzw"}, (256, 300)),
        ({}, (256, 300)),
    ],
)
def test_what_is_decoded_at_once_is_told(path, monkeypatch, words, expected):
    write(path, np.zeros((256, 300), "uint16"), **words)
    with TiffReader(path) as reader:
        assert reader.chunk_yx == expected
    monkeypatch.setattr("focusfix.io.tiff_reader._RUN_BYTES", 6000)
    if not words:
        with TiffReader(path) as reader:
            assert reader.chunk_yx == (10, 300)


def test_a_single_strip_is_decoded_once_per_plane_and_that_is_said(path):
    whole = write(
        path, np.arange(3 * 90 * 70, dtype="uint16").reshape(3, 90, 70), compression="lzw",
        rowsperstrip=90, metadata={"axes": "ZYX"},
    )  # fmt: skip
    with TiffReader(path) as reader:
        assert any("decoded whole, once" in note for note in reader.notes)
        for at in range(3):
            for top in range(0, 90, 30):
                window = reader.read_window(at, slice(top, top + 30), slice(5, 25))
                np.testing.assert_array_equal(window[..., 0], whole[at, top : top + 30, 5:25])
        assert reader.store.n_decoded == 3


def test_several_strips_are_no_reason_for_a_note(path):
    write(path, np.zeros((90, 70), "uint16"), compression="lzw", rowsperstrip=30)
    with TiffReader(path) as reader:
        assert reader.notes == ()


@pytest.mark.parametrize("columns", [slice(3, 7), slice(0, 500)])
def test_uncompressed_planes_are_read_without_the_rest(path, columns, monkeypatch):
    whole = write(path, np.arange(400 * 500, dtype="uint16").reshape(400, 500))
    counts = []
    with TiffReader(path) as reader:
        fill = reader.store._fill
        monkeypatch.setattr(
            reader.store, "_fill", lambda target, at: counts.append(len(target)) or fill(target, at)
        )
        window = reader.read_window(0, slice(10, 20), columns)[..., 0]
        np.testing.assert_array_equal(window, whole[10:20, columns])
        assert reader.store.n_decoded == 0
    assert sum(counts) == window.nbytes


@pytest.mark.parametrize("words", [{}, {"compression": "lzw", "rowsperstrip": 7}])
def test_windows_may_be_read_from_several_threads(path, words):
    whole = write(path, np.arange(300 * 200, dtype="uint32").reshape(300, 200), **words)
    with TiffReader(path, cache_bytes=10_000) as reader, ThreadPoolExecutor(6) as pool:
        spans = [(top, top + 23) for top in range(0, 277, 3)] * 3

        def check(span):
            window = reader.read_window(0, slice(*span), slice(10, 190))[..., 0]
            return np.array_equal(window, whole[slice(*span), 10:190])

        assert all(pool.map(check, spans))


@pytest.mark.parametrize(
    ("plane", "rows", "columns"),
    [
        (1, slice(0, 5), slice(0, 5)),
        (-1, slice(0, 5), slice(0, 5)),
        (0, slice(0, 41), slice(0, 5)),
        (0, slice(-1, 5), slice(0, 5)),
        (0, slice(5, 5), slice(0, 5)),
        (0, slice(0, 4, 2), slice(0, 5)),
    ],
)
def test_windows_outside_the_image_are_refused(path, plane, rows, columns):
    write(path, np.zeros((40, 50), "uint8"))
    with TiffReader(path) as reader, pytest.raises(IndexError):
        reader.read_window(plane, rows, columns)


@pytest.mark.parametrize("shape", [(1, 70), (70, 1), (1, 1), (3, 1, 5)])
@pytest.mark.parametrize("words", [{}, {"compression": "lzw"}, {"tile": (16, 16)}])
def test_images_one_pixel_high_or_wide(path, shape, words):
    axes = "ZYX"[-len(shape) :]
    whole = write(path, np.arange(np.prod(shape), dtype="uint8").reshape(shape),
                  metadata={"axes": axes}, **words)  # fmt: skip
    with TiffReader(path) as reader:
        assert reader.metadata.shape == shape
        np.testing.assert_array_equal(whole_plane(reader), whole if len(shape) == 2 else whole[0])


def test_axes_of_size_one_stay(path):
    whole = write(path, np.arange(60, dtype="uint8").reshape(1, 1, 3, 4, 5),
                  metadata={"axes": "TZCYX"})  # fmt: skip
    with TiffReader(path) as reader:
        assert (reader.metadata.axes, reader.metadata.shape) == ("TZCYX", whole.shape)
        np.testing.assert_array_equal(whole_plane(reader, 2), whole[0, 0, 2])


@pytest.mark.parametrize("stored", ["XYZ", "YXZ", "YZX", "ZXY", "YXC", "TYXC", "CXZY"])
@pytest.mark.parametrize("words", [{}, {"compression": "deflate"}])
def test_axes_in_any_position_are_shown_with_y_and_x_last(path, stored, words):
    sizes = {"X": 9, "Y": 7, "Z": 5, "C": 2, "T": 3}
    whole = write(
        path, np.arange(np.prod([sizes[a] for a in stored]), dtype="uint16").reshape(
            [sizes[a] for a in stored]), metadata={"axes": stored}, **words,
    )  # fmt: skip
    shown = stored.replace("Y", "").replace("X", "") + "YX"
    expected = whole.transpose([stored.index(letter) for letter in shown])
    with TiffReader(path) as reader:
        assert reader.metadata.axes == shown
        assert any(f"{stored} of the file" in note for note in reader.notes)
        planes = expected.reshape(-1, 7, 9)
        for at, plane in enumerate(planes):
            np.testing.assert_array_equal(whole_plane(reader, at), plane)
        np.testing.assert_array_equal(
            reader.read_window(1, slice(2, 6), slice(3, 4))[..., 0], planes[1, 2:6, 3:4]
        )


def test_a_series_of_pages_without_names_is_not_guessed_at(path):
    whole = write(path, np.arange(4 * 20 * 30, dtype="uint8").reshape(4, 20, 30), metadata=None)
    with TiffReader(path) as reader:
        assert reader.metadata.axes == "IYX"
        assert any("meaning of axis I is not stated" in note for note in reader.notes)
        np.testing.assert_array_equal(whole_plane(reader, 2), whole[2])
    with TiffReader(path, axes="zyx") as reader:
        assert reader.metadata.axes == "ZYX"
        assert reader.notes == ()


@pytest.mark.parametrize(
    ("axes", "words"),
    [
        ("YX", "shape is (4, 20, 30)"),
        ("TZYX", "3 letters"),
        ("ZZX", "not valid"),
        ("ZYZ", "not valid"),
        ("QYX", "not valid"),
        ("SYX", "4 colour samples"),
    ],
)
def test_axes_given_by_the_user_must_fit(path, axes, words):
    write(path, np.zeros((4, 20, 30), "uint8"), metadata=None)
    if axes == "SYX":
        write(path, np.zeros((5, 20, 30), "uint8"), metadata=None)
        words = "5 colour samples"
    with pytest.raises(InputError) as info:
        TiffReader(path, axes=axes)
    assert words in str(info.value)
    assert str(path) in str(info.value)


def test_samples_that_are_no_colours_are_channels(path):
    whole = write(path, np.arange(20 * 30 * 5, dtype="uint16").reshape(20, 30, 5),
                  planarconfig="contig", metadata=None)  # fmt: skip
    with TiffReader(path) as reader:
        assert reader.metadata.axes == "CYX"
        assert any("taken as channels" in note for note in reader.notes)
        np.testing.assert_array_equal(whole_plane(reader, 3), whole[..., 3])


def test_colours_may_be_declared_channels(path):
    whole = write(path, np.arange(20 * 30 * 3, dtype="uint8").reshape(20, 30, 3),
                  photometric="rgb")  # fmt: skip
    with TiffReader(path, axes="YXC") as reader:
        assert (reader.metadata.axes, reader.metadata.photometric) == ("CYX", "minisblack")
        np.testing.assert_array_equal(whole_plane(reader, 1), whole[..., 1])


def test_planes_of_an_imagej_file_come_in_the_order_that_imagej_writes(path):
    whole = np.arange(2 * 3 * 4 * 20 * 30, dtype="uint16").reshape(2, 3, 4, 20, 30)
    description = "ImageJ=1.53t\nimages=24\nchannels=4\nslices=2\nframes=3\norder=ctz\nunit=um\n"
    write(path, whole, metadata=None, description=description)
    with tifffile.TiffFile(path) as tif:
        assert tif.series[0].axes == "ZTCYX"
    with TiffReader(path) as reader:
        assert reader.metadata.axes == "TZCYX"
        assert reader.metadata.shape == (3, 2, 4, 20, 30)
        np.testing.assert_array_equal(whole_plane(reader, 1 * 8 + 1 * 4 + 2), whole[1, 1, 2])


def test_packed_bits_give_the_bit_depth(path):
    whole = write(path, np.arange(40 * 50, dtype="uint16").reshape(40, 50), bitspersample=12)
    with TiffReader(path) as reader:
        assert reader.metadata.dtype == "uint16"
        assert reader.metadata.significant_bits == 12
        np.testing.assert_array_equal(whole_plane(reader), whole)


def test_sparse_tiles_are_black(path):
    tiles = iter([np.full((16, 16), 7, "uint8"), None, None, np.full((16, 16), 9, "uint8")])
    with tifffile.TiffWriter(path) as tif:
        tif.write(tiles, shape=(32, 32), dtype="uint8", tile=(16, 16), photometric="minisblack")
    expected = np.zeros((32, 32), "uint8")
    expected[:16, :16], expected[16:, 16:] = 7, 9
    with TiffReader(path) as reader:
        np.testing.assert_array_equal(whole_plane(reader), expected)


def test_volumes_within_a_page(path):
    whole = write(path, np.arange(40 * 64 * 48, dtype="uint16").reshape(40, 64, 48),
                  tile=(16, 32, 16), volumetric=True, metadata={"axes": "ZYX"})  # fmt: skip
    with TiffReader(path) as reader:
        for at in (0, 17, 39):
            np.testing.assert_array_equal(whole_plane(reader, at), whole[at])


def test_the_highest_resolution_of_a_pyramid_is_read(path):
    whole = np.arange(64 * 96, dtype="uint16").reshape(64, 96)
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(whole, subifds=1, tile=(16, 16), metadata={"axes": "YX"})
        tif.write(whole[::2, ::2], tile=(16, 16), subfiletype=1)
    with TiffReader(path) as reader:
        np.testing.assert_array_equal(whole_plane(reader), whole)


def test_further_images_in_the_file_are_mentioned(path):
    with tifffile.TiffWriter(path, ome=True) as tif:
        tif.write(np.zeros((20, 30), "uint8"), metadata={"axes": "YX"})
        tif.write(np.ones((10, 15), "uint16"), metadata={"axes": "YX"})
    with TiffReader(path) as reader:
        assert any("2 images; the first" in note for note in reader.notes)
        assert whole_plane(reader).shape == (20, 30)


def test_part_of_a_data_set_of_several_files_gives_its_own_planes(tmp_path, path):
    whole = np.arange(2 * 20 * 30, dtype="uint8").reshape(2, 20, 30)
    uuids = "urn:uuid:11111111-1111-1111-1111-111111111111", "urn:uuid:22222222-2222-2222-2222-2"
    parts = "".join(
        f'<TiffData FirstZ="{at}" IFD="0" PlaneCount="1">'
        f'<UUID FileName="{name}">{uuid}</UUID></TiffData>'
        for at, (name, uuid) in enumerate(zip(("a.tif", "b.tif"), uuids, strict=True))
    )
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06" '
        f'UUID="{uuids[0]}"><Image ID="Image:0"><Pixels ID="Pixels:0" DimensionOrder="XYZCT" '
        'Type="uint8" SizeX="30" SizeY="20" SizeZ="2" SizeC="1" SizeT="1">'
        f'<Channel ID="Channel:0:0" SamplesPerPixel="1"/>{parts}</Pixels></Image></OME>'
    )
    write(path, whole[0], metadata=None, description=xml)
    for with_sibling in (False, True):
        if with_sibling:
            write(tmp_path / "b.tif", whole[1], metadata=None)
        with TiffReader(path) as reader:
            assert reader.metadata.axes == "YX"
            assert any("several files" in note for note in reader.notes)
            np.testing.assert_array_equal(whole_plane(reader), whole[0])


def test_fewer_planes_than_imagej_announces_are_refused(path):
    write(path, np.zeros((3, 20, 30), "uint8"), metadata=None,
          description="ImageJ=1.53t\nimages=60\nslices=60\n")  # fmt: skip
    with pytest.raises(InputError, match="fewer planes"):
        TiffReader(path)


def test_what_tifffile_complains_about_is_passed_on(path):
    write(path, np.zeros((2, 20, 30), "uint8"), metadata={"axes": "ZYX"})
    data = path.read_bytes().replace(b'"shape": [2, 20, 30]', b'"shape": [2, 21, 30]')
    path.write_bytes(data)
    with TiffReader(path) as reader:
        assert any("shape" in note for note in reader.notes)
        assert reader.metadata.shape_yx == (20, 30)


@pytest.mark.parametrize("words", [{"photometric": "miniswhite"}, {"photometric": "palette"}])
def test_grey_values_that_are_shown_otherwise_are_mentioned(path, words):
    if words["photometric"] == "palette":
        words = words | {"colormap": np.zeros((3, 256), "uint16")}
    write(path, np.arange(600, dtype="uint8").reshape(20, 30), **words)
    with TiffReader(path) as reader:
        assert reader.metadata.photometric == words["photometric"]
        assert len(reader.notes) == 1


def test_any_name_of_a_file_will_do(tmp_path):
    path = Path(tmp_path / "ein Bild µ.dat")
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((5, 5), "uint8"))
    (tmp_path / "x.tif").rename(path)
    with open_image(str(path)) as reader:
        assert reader.path == path
