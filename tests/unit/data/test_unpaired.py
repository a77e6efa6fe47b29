"""Images out of focus and in focus that are no pairs."""

import numpy as np
import pytest
import tifffile

from focusfix.data.layouts import index_data, index_unpaired
from focusfix.data.planes import PlaneStore
from focusfix.data.series_scale import fit_series
from focusfix.data.unpaired_sampler import UnpairedSampler
from focusfix.errors import InputError, UsageError


@pytest.fixture
def folders(tmp_path, draw_stack):
    """Two images out of focus, and a file of two planes in focus."""
    for side, name, pixels in (
        ("out_of_focus", "a", draw_stack(seed=0)[0]),
        ("out_of_focus", "b", draw_stack(seed=1)[0]),
        ("in_focus", "c", np.stack([draw_stack(seed=2)[2], draw_stack(seed=3)[2]])),
    ):
        (tmp_path / side).mkdir(exist_ok=True)
        tifffile.imwrite(tmp_path / side / f"{name}.tif", pixels, metadata=None)
    return tmp_path


def test_every_plane_is_a_series_of_its_own(folders):
    found = index_unpaired(folders)
    assert [each.field for each in found.out_of_focus] == ["out_of_focus/a", "out_of_focus/b"]
    assert [(e.field, e.frame) for e in found.in_focus] == [("in_focus/c", 0), ("in_focus/c", 1)]
    assert {(*each.z_levels, each.focal_level) for each in found.in_focus} == {(0, 0)}
    named = index_unpaired(folders / "out_of_focus", in_focus=folders / "in_focus")
    assert named == found


def test_pairs_and_other_layouts_are_none(folders, draw_stack):
    assert index_unpaired(folders / "out_of_focus") is None
    tifffile.imwrite(folders / "stack.tif", draw_stack(), imagej=True, metadata={"axes": "ZYX"})
    assert index_unpaired(folders / "stack.tif") is None
    (folders / "in_focus" / "c.tif").unlink()
    for name in "ab":
        tifffile.imwrite(folders / "in_focus" / f"{name}.tif", draw_stack()[2])
    assert index_unpaired(folders) is None
    assert index_data(folders).layout == "pair folders"


def test_what_is_missing(folders):
    with pytest.raises(UsageError, match="no channel 'dapi'"):
        index_unpaired(folders, channels=["dapi"])
    with pytest.raises(InputError, match="in_focus holds no image that matches"):
        index_unpaired(folders, pattern="a*")


def test_crops_are_drawn_apart(folders):
    found = index_unpaired(folders)
    store = PlaneStore(1 << 20)
    blurry, sharp = fit_series(found.out_of_focus), fit_series(found.in_focus)
    sampler = UnpairedSampler(blurry, sharp, store, crop_px=32, seed=(0, 1))
    pairs = [sampler.pair(index) for index in range(12)]
    again = UnpairedSampler(blurry, sharp, store, crop_px=32, seed=(0, 1)).pair(5)
    store.close()
    np.testing.assert_array_equal(again.out_of_focus, pairs[5].out_of_focus)
    np.testing.assert_array_equal(again.in_focus, pairs[5].in_focus)
    edges = [[np.abs(np.diff(image)).mean() for image in pair] for pair in pairs]
    assert all(out_of_focus < in_focus for out_of_focus, in_focus in edges)
    assert len({image.tobytes() for pair in pairs for image in pair}) == 24
