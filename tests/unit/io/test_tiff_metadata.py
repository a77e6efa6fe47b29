"""What survives of an image's metadata, with tifffile and plain bytes as witnesses."""

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import tifffile

from focusfix.blocks import bands_as_blocks
from focusfix.io.image import ImageMetadata, Resolution, open_image, write_image
from focusfix.io.tiff_metadata import pixel_size_um

WHOLE = np.arange(2 * 3 * 2 * 20 * 30, dtype="uint16").reshape(2, 3, 2, 20, 30)
LUTS = [np.stack([np.arange(256)] * 3).astype("uint8"), np.eye(3, 256, dtype="uint8") * 200]


def rewrite(source, target, **changes):
    """Read a file and write its pixels and metadata, some of it changed."""
    with open_image(source) as reader:
        metadata = replace(reader.metadata, **changes)
        height, width = metadata.shape_yx
        bands = (
            reader.read_window(at, slice(0, height), slice(0, width))
            for at in range(metadata.n_planes)
        )
        return reader.metadata, write_image(
            target, metadata, bands_as_blocks(bands, (height, width))
        )


@pytest.fixture
def paths(tmp_path):
    return tmp_path / "in.tif", tmp_path / "out.tif"


IMAGEJ_WORDS = {
    "axes": "TZCYX",
    "spacing": 0.7,
    "unit": "um",
    "finterval": 2.5,
    "loop": True,
    "mode": "composite",
    "min": 10.0,
    "max": 900.0,
    "xorigin": 3.5,
    "Info": "Objective: 63x/1.4",
    "Labels": [f"slice {at}" for at in range(12)],
    "Ranges": (10.0, 900.0, 20.0, 800.0),
    "LUTs": LUTS,
    "ROI": b"Iout" + bytes(60),
    "Overlays": b"Iout" + bytes(64),
    "Properties": {"Stain": "Hoechst"},
}


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_an_imagej_hyperstack_keeps_everything_that_imagej_shows(paths, byteorder):
    source, target = paths
    tifffile.imwrite(
        source, WHOLE, imagej=True, byteorder=byteorder, resolution=(5.0, 4.0),
        metadata=IMAGEJ_WORDS,
    )  # fmt: skip
    metadata, notes = rewrite(source, target)
    assert notes == ()
    assert metadata.format == "imagej"
    assert metadata.pixel_size_um == (0.25, 0.2)
    assert metadata.z_spacing_um == 0.7
    assert metadata.frame_interval_s == 2.5
    assert metadata.display_ranges == ((10.0, 900.0), (20.0, 800.0))
    with tifffile.TiffFile(source) as before, tifffile.TiffFile(target) as after:
        assert after.is_imagej
        assert (after.series[0].axes, after.series[0].shape) == ("TZCYX", WHOLE.shape)
        assert after.pages[0].resolution == before.pages[0].resolution
        assert after.pages[0].resolutionunit == before.pages[0].resolutionunit
        first, second = before.imagej_metadata, after.imagej_metadata
        assert first.keys() == second.keys()
        for key, value in first.items():
            np.testing.assert_array_equal(second[key], value, err_msg=key)


def test_a_pseudocolour_image_of_imagej_keeps_its_colours(paths):
    source, target = paths
    colormap = np.zeros((3, 256), "uint16")
    colormap[1] = np.arange(256) * 257
    tifffile.imwrite(source, WHOLE[0, 0, 0].astype("uint8"), imagej=True, colormap=colormap)
    rewrite(source, target)
    with tifffile.TiffFile(target) as tif:
        np.testing.assert_array_equal(tif.pages[0].colormap, colormap)
        assert tif.pages[0].photometric == 3


@pytest.mark.parametrize("unit", ["µm", "\\u00B5m", "micron", "nm", "mm", "inch"])
def test_units_of_length_survive(paths, unit):
    source, target = paths
    word = unit if unit.isascii() else "\\u00B5m"
    tifffile.imwrite(source, WHOLE[0, :, 0], imagej=True, resolution=(3.0, 3.0),
                     metadata={"axes": "ZYX", "unit": word, "spacing": 2.0})  # fmt: skip
    first, _ = rewrite(source, target)
    with open_image(target) as reader:
        assert reader.metadata == first
        assert reader.metadata.pixel_size_um is not None
        assert reader.metadata.extras["unit"] == word
        assert reader.metadata.extras["spacing"] == 2.0


def test_pixels_without_a_length_stay_so(paths):
    source, target = paths
    tifffile.imwrite(source, WHOLE[0, :, 0], imagej=True, metadata={"axes": "ZYX", "unit": "pixel"})
    first, _ = rewrite(source, target)
    assert first.pixel_size_um is None
    with open_image(target) as reader:
        assert reader.metadata == first
        assert reader.metadata.extras["unit"] == "pixel"


def test_a_new_pixel_size_replaces_that_of_the_file(paths):
    source, target = paths
    tifffile.imwrite(source, WHOLE[0, :, 0], imagej=True, resolution=(5.0, 5.0),
                     metadata={"axes": "ZYX", "unit": "nm", "spacing": 300.0})  # fmt: skip
    rewrite(source, target, pixel_size_um=(0.08, 0.065), z_spacing_um=0.5)
    with open_image(target) as reader:
        assert reader.metadata.pixel_size_um == pytest.approx((0.08, 0.065), rel=1e-6)
        assert reader.metadata.z_spacing_um == pytest.approx(0.5)
        assert reader.metadata.extras["unit"] == "nm"


def test_channel_names_become_slice_labels_and_come_back(paths):
    _, target = paths
    metadata = ImageMetadata(
        "ZCYX", (3, 2, 20, 30), np.dtype("uint16"), format="imagej",
        channel_names=("DAPI", "tubulin"),
    )  # fmt: skip
    write_image(target, metadata, bands_as_blocks(WHOLE[0].reshape(6, 20, 30, 1), (20, 30)))
    with tifffile.TiffFile(target) as tif:
        assert tif.imagej_metadata["Labels"] == ["DAPI", "tubulin"] * 3
    with open_image(target) as reader:
        assert reader.metadata.channel_names == ("DAPI", "tubulin")


OME_WORDS = {
    "axes": "TZCYX",
    "Name": "well A1 <left>",
    "PhysicalSizeX": 108.0,
    "PhysicalSizeXUnit": "nm",
    "PhysicalSizeY": 0.11,
    "PhysicalSizeYUnit": "µm",
    "PhysicalSizeZ": 0.3,
    "PhysicalSizeZUnit": "µm",
    "TimeIncrement": 500.0,
    "TimeIncrementUnit": "ms",
    "SignificantBits": 12,
    "Channel": [
        {"Name": "DAPI & co", "EmissionWavelength": 460, "EmissionWavelengthUnit": "nm"},
        {"Name": "Cy5", "Color": "-16776961"},
    ],
}


@pytest.mark.parametrize("words", [{}, {"tile": (16, 16), "compression": "zstd"}])
def test_an_ome_tiff_keeps_sizes_names_and_wavelengths(paths, words):
    source, target = paths
    tifffile.imwrite(source, WHOLE, ome=True, metadata=OME_WORDS, **words)
    metadata, notes = rewrite(source, target)
    assert notes == ()
    assert metadata.format == "ome"
    assert metadata.pixel_size_um == pytest.approx((0.11, 0.108))
    assert metadata.z_spacing_um == 0.3
    assert metadata.frame_interval_s == 0.5
    assert metadata.channel_names == ("DAPI & co", "Cy5")
    assert metadata.significant_bits == 12
    same = replace(metadata, resolution=None, tiled=False)  # planes are not larger than a tile
    with open_image(target) as reader:
        assert replace(reader.metadata, resolution=None) == same
        assert reader.metadata.extras == metadata.extras
    with tifffile.TiffFile(target) as tif:
        assert tif.is_ome
        np.testing.assert_array_equal(tif.asarray(), WHOLE)
        root = ElementTree.fromstring(tif.ome_metadata)
    channels = [element for element in root.iter() if element.tag.endswith("}Channel")]
    assert channels[0].get("EmissionWavelength") == "460"
    assert channels[1].get("Color") == "-16776961"
    image = next(element for element in root.iter() if element.tag.endswith("}Image"))
    assert image.get("Name") == "well A1 <left>"


@pytest.mark.parametrize("axes", ["TZCYX", "CZTYX", "ZCTYX", "CYX", "ZTYX"])
def test_the_order_of_ome_dimensions_survives(paths, axes):
    source, target = paths
    whole = WHOLE.reshape(-1)[: np.prod([2, 3, 2][: len(axes) - 2]) * 600]
    whole = whole.reshape(*[2, 3, 2][: len(axes) - 2], 20, 30)
    tifffile.imwrite(source, whole, ome=True, metadata={"axes": axes})
    rewrite(source, target)
    with tifffile.TiffFile(source) as before, tifffile.TiffFile(target) as after:
        assert after.series[0].axes == before.series[0].axes
        np.testing.assert_array_equal(after.asarray(), whole)


def test_rgb_in_ome(paths):
    source, target = paths
    whole = np.arange(3 * 20 * 30 * 3, dtype="uint8").reshape(3, 20, 30, 3)
    tifffile.imwrite(source, whole, ome=True, photometric="rgb", metadata={"axes": "ZYXS"})
    metadata, _ = rewrite(source, target)
    assert (metadata.axes, metadata.photometric) == ("ZYXS", "rgb")
    np.testing.assert_array_equal(tifffile.imread(target), whole)


def test_dimensions_that_focusfix_does_not_know_make_a_plain_file_and_are_said(paths):
    source, target = paths
    whole = WHOLE[:, :, 0]
    tifffile.imwrite(source, whole, ome=True, metadata={"axes": "HZYX"})
    metadata, notes = rewrite(source, target)
    assert metadata.axes == "HZYX"
    assert any("plain TIFF" in note for note in notes)
    np.testing.assert_array_equal(tifffile.imread(target).reshape(whole.shape), whole)


@pytest.mark.parametrize("description", ["Acquired by S. Müller", "x = 1\ny = 2", None])
def test_a_plain_tiff_keeps_its_text_and_resolution(paths, description):
    source, target = paths
    tifffile.imwrite(
        source, WHOLE[0, :, 0], photometric="minisblack", metadata=None,
        resolution=((100000, 3), (50000, 3)), resolutionunit="CENTIMETER",
        description=None if description is None else description.encode(),
    )  # fmt: skip
    metadata, notes = rewrite(source, target)
    assert notes == ()
    assert metadata.pixel_size_um == pytest.approx((0.6, 0.3))
    with tifffile.TiffFile(source) as before, tifffile.TiffFile(target) as after:
        for code in (270, 282, 283, 296):
            assert after.pages[0].tags.valueof(code) == before.pages[0].tags.valueof(code)
        assert after.series[0].axes == before.series[0].axes
        np.testing.assert_array_equal(after.asarray(), WHOLE[0, :, 0])


@pytest.mark.parametrize(("dpi", "expected"), [(72, None), (300, None), (25400, (1.0, 1.0))])
def test_the_resolution_of_a_printer_is_no_pixel_size(paths, dpi, expected):
    source, target = paths
    tifffile.imwrite(source, WHOLE[0, 0, 0], resolution=(dpi, dpi), resolutionunit="INCH")
    metadata, _ = rewrite(source, target)
    assert metadata.pixel_size_um == expected
    with tifffile.TiffFile(target) as tif:
        assert tif.pages[0].resolution == (dpi, dpi)
        assert tif.pages[0].resolutionunit == 2


def test_a_plain_stack_with_named_axes_keeps_them_with_spacing_and_text(paths):
    _, target = paths
    metadata = ImageMetadata(
        "TZYX", (2, 3, 20, 30), np.dtype("uint16"), pixel_size_um=(0.5, 0.5), z_spacing_um=2.0,
        frame_interval_s=60.0, description="from the left",
    )  # fmt: skip
    planes = WHOLE[:, :, 0].reshape(6, 20, 30, 1)
    write_image(target, metadata, bands_as_blocks(planes, (20, 30)))
    with open_image(target) as reader:
        assert replace(reader.metadata, resolution=None) == metadata
    with tifffile.TiffFile(target) as tif:
        assert tif.series[0].axes == "TZYX"


@pytest.mark.parametrize("photometric", ["miniswhite", "palette"])
def test_how_grey_values_are_shown_survives(paths, photometric):
    source, target = paths
    words = {"colormap": np.arange(768, dtype="uint16").reshape(3, 256)}
    tifffile.imwrite(source, WHOLE[0, 0, 0].astype("uint8"), photometric=photometric,
                     **(words if photometric == "palette" else {}))  # fmt: skip
    rewrite(source, target)
    with tifffile.TiffFile(target) as tif:
        assert tif.pages[0].photometric.name.lower() == photometric
        np.testing.assert_array_equal(tif.asarray(), WHOLE[0, 0, 0].astype("uint8"))


@pytest.mark.parametrize(
    ("resolution", "unit", "expected"),
    [
        (Resolution((2, 1), (4, 1), 1), "um", (0.25, 0.5)),
        (Resolution((2, 1), (4, 1), 1), "nm", (0.00025, 0.0005)),
        (Resolution((10000, 1), (10000, 1), 3), "cm", (1.0, 1.0)),
        (Resolution((0, 1), (4, 1), 1), "um", None),
        (Resolution((2, 1), (4, 0), 1), "um", None),
        (Resolution((2, 1), (4, 1), 1), "pixel", None),
        (Resolution((2, 1), (4, 1), 1), None, None),
        (None, "um", None),
    ],
)
def test_pixels_per_unit_become_micrometres_per_pixel(resolution, unit, expected):
    size = pixel_size_um(resolution, unit)
    assert size == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"spacing": -0.4, "unit": "um"}, (0.4, None)),
        ({"spacing": 0.4}, (None, None)),
        ({"finterval": 0.0}, (None, None)),
        ({"finterval": 3}, (None, 3.0)),
        ({"spacing": "none", "unit": "um"}, (None, None)),
    ],
)
def test_odd_words_of_imagej_files(paths, words, expected):
    source, _ = paths
    tifffile.imwrite(source, WHOLE[0, :, 0], imagej=True, metadata={"axes": "ZYX", **words})
    with open_image(source) as reader:
        assert (reader.metadata.z_spacing_um, reader.metadata.frame_interval_s) == expected


def test_a_file_saved_by_imagej_itself(tmp_path):
    """The file was saved by ImageJ 1.53t: two channels with colours, an overlay and labels."""
    source, target = Path(__file__).with_name("imagej_153t_hyperstack.tif"), tmp_path / "out.tif"
    metadata, notes = rewrite(source, target)
    assert notes == ()
    assert (metadata.axes, metadata.shape) == ("ZCYX", (2, 2, 12, 20))
    assert metadata.pixel_size_um == pytest.approx((0.11, 0.108), rel=1e-6)
    assert metadata.z_spacing_um == 0.35
    assert metadata.display_ranges == ((5.0, 2000.0), (1007.0, 3190.0))
    expected = 1000 * np.arange(4)[:, None] + np.arange(240)
    np.testing.assert_array_equal(tifffile.imread(target).reshape(4, 240), expected)
    with tifffile.TiffFile(source) as before, tifffile.TiffFile(target) as after:
        first, second = before.imagej_metadata, after.imagej_metadata
        assert first.keys() == second.keys()
        for key, value in first.items():
            np.testing.assert_array_equal(second[key], value, err_msg=key)


@pytest.mark.parametrize("hyperstack", [True, False])
def test_a_plain_stack_of_imagej_does_not_become_a_hyperstack(paths, hyperstack):
    source, target = paths
    tifffile.imwrite(source, WHOLE[0, :, 0], imagej=True,
                     metadata={"axes": "ZYX", "hyperstack": hyperstack})  # fmt: skip
    rewrite(source, target)
    with tifffile.TiffFile(target) as tif:
        assert tif.imagej_metadata["hyperstack"] == hyperstack
