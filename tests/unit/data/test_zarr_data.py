"""OME-Zarr as training data: images, plates, pairs, and what is one image only."""

import numpy as np
import pytest
import tifffile

from focusfix.data.image_files import list_images
from focusfix.data.layouts import index_data
from focusfix.data.planes import PlaneStore
from focusfix.data.sampling import split_series
from focusfix.errors import InputError

pytest.importorskip("zarr")

SCALE = [0.5, 0.25, 0.25]
FIELDS = {"A/1/0": 0, "A/1/1": 1, "B/3/0": 10}


@pytest.fixture
def stack_plate(save_plate, draw_stack):
    """Write a plate of two wells and three fields, each a z-stack of so many of five levels."""

    def save(path, levels=slice(None)):
        stacks = {field: draw_stack(seed=seed)[levels] for field, seed in FIELDS.items()}
        return save_plate(path, stacks, "zyx", scale=SCALE, chunks=(1, 30, 30))

    return save


def read(series):
    store = PlaneStore(1 << 20)
    planes = np.stack([store.read(source)[..., 0] for source in series.planes])
    store.close()
    return planes


def test_image_is_a_stack_like_a_file(tmp_path, save_zarr, draw_stack):
    save_zarr(tmp_path / "f1.ome.zarr", draw_stack(), "zyx", scale=SCALE)
    tifffile.imwrite(
        tmp_path / "f2.ome.tif",
        draw_stack(),
        metadata={
            "axes": "ZYX",
            "PhysicalSizeX": 0.25,
            "PhysicalSizeY": 0.25,
            "PhysicalSizeZ": 0.5,
        },
    )
    from_zarr, from_tiff = index_data(tmp_path).series
    assert (from_zarr.field, from_tiff.field) == ("f1.ome", "f2.ome")
    assert from_zarr.z_levels == from_tiff.z_levels
    assert from_zarr.z_um == pytest.approx(from_tiff.z_um)
    assert from_zarr.pixel_size_um == pytest.approx(from_tiff.pixel_size_um)
    np.testing.assert_array_equal(read(from_zarr), read(from_tiff))
    [alone] = index_data(tmp_path / "f1.ome.zarr").series
    assert alone == from_zarr


def test_plate_is_a_field_for_each_image(tmp_path, stack_plate, draw_stack):
    index = index_data(stack_plate(tmp_path / "plate.zarr"))
    assert index.layout == "z-stacks"
    found = [(series.field, series.well) for series in index.series]
    assert found == [("A/1/0", "A/1"), ("A/1/1", "A/1"), ("B/3/0", "B/3")]
    np.testing.assert_array_equal(read(index.series[1]), draw_stack(seed=1))


def test_fields_of_a_well_stay_together(tmp_path, stack_plate):
    series = index_data(stack_plate(tmp_path / "plate.zarr")).series
    split = split_series(series, by="auto", validation_share=0.5, test_share=0, seed=0)
    assert split["A/1/0"] == split["A/1/1"] != split["B/3/0"]


def test_one_field_of_a_plate(tmp_path, stack_plate):
    [series] = index_data(stack_plate(tmp_path / "plate.zarr") / "B" / "3" / "0").series
    assert (series.field, series.well) == ("0", "B/3")


def test_folder_of_plates_images_and_files(tmp_path, stack_plate, save_zarr, draw_stack):
    stack_plate(tmp_path / "day1" / "plate.zarr")
    save_zarr(tmp_path / "alone.zarr", draw_stack(), "zyx")
    tifffile.imwrite(tmp_path / "day1" / "f.tif", draw_stack(), imagej=True)
    for hidden in (tmp_path / ".old", tmp_path / "day1" / ".trash"):
        save_zarr(hidden / "gone.zarr", draw_stack(), "zyx")
    names = [path.relative_to(tmp_path).as_posix() for path in list_images(tmp_path)]
    plate = [f"day1/plate.zarr/{field}" for field in FIELDS]
    assert names == ["alone.zarr", "day1/f.tif", *plate]
    assert [path.name for path in list_images(tmp_path, "al*.zarr")] == ["alone.zarr"]
    assert len(list_images(tmp_path, "plate*")) == 3


def test_pair_of_plates(tmp_path, stack_plate):
    blurry = stack_plate(tmp_path / "blurry.zarr", slice(0, 1))
    sharp = stack_plate(tmp_path / "sharp.zarr", slice(2, 3))
    series = index_data(blurry, in_focus=sharp).series
    assert [each.field for each in series] == list(FIELDS)
    assert series[0].planes[1].path == sharp / "A" / "1" / "0"


def test_one_image_is_no_folder_of_pairs(tmp_path, save_zarr, draw_stack):
    image = save_zarr(tmp_path / "a.zarr", draw_stack(), "zyx")
    with pytest.raises(InputError, match=r"a\.zarr is one image"):
        index_data(image, in_focus=image)


def test_missing_well_is_told(tmp_path, stack_plate):
    plate = stack_plate(tmp_path / "plate.zarr")
    (plate / "B").rename(tmp_path / "B")
    with pytest.raises(InputError, match=r"B/3.* does not exist"):
        index_data(plate)
