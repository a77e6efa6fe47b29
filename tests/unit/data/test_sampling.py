from dataclasses import replace

import numpy as np
import pytest
import tifffile

from focusfix.data.layouts import index_data
from focusfix.data.planes import PlaneStore
from focusfix.data.sampling import assign_splits, split_series
from focusfix.data.series_sampler import SeriesSampler
from focusfix.data.series_scale import fit_series
from focusfix.errors import InputError, UsageError


@pytest.fixture(scope="module")
def fitted(tmp_path_factory, draw_stack):
    folder = tmp_path_factory.mktemp("stacks")
    for seed in range(3):
        tifffile.imwrite(
            folder / f"f{seed}.tif", draw_stack(seed=seed), imagej=True, metadata={"axes": "ZYX"}
        )
    return fit_series(index_data(folder).series)


@pytest.fixture
def sampler():
    stores = []

    def make(fitted, *, budget=1 << 24, **changes):
        settings = {"crop_px": 16, "in_focus_share": 0.0, "seed": (3, 1), **changes}
        stores.append(PlaneStore(budget))
        return SeriesSampler(fitted, stores[-1], **settings)

    yield make
    for store in stores:
        store.close()


def test_a_pair_follows_from_its_number_alone(sampler, fitted):
    first, second = sampler(fitted), sampler(fitted, budget=0)
    forward = [first.pair(index) for index in range(8)]
    backward = [second.pair(index) for index in reversed(range(8))][::-1]
    for one, other in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(one.out_of_focus, other.out_of_focus)
        np.testing.assert_array_equal(one.in_focus, other.in_focus)
    assert not np.array_equal(forward[0].in_focus, sampler(fitted, seed=(4, 1)).pair(0).in_focus)


def test_both_crops_are_the_same_place_turned_alike(sampler, fitted):
    scaled = {each.series.field: each for each in fitted}
    stacks = {
        name: each.scale.apply(tifffile.imread(each.series.planes[0].path))
        for name, each in scaled.items()
    }
    for index in range(12):
        pair = sampler(fitted).pair(index)
        assert pair.out_of_focus.dtype == np.float32
        assert any(contains(stack, pair) for stack in stacks.values())


def contains(stack, pair):
    """Whether some level and the focal level of a stack hold the pair at one place and turn."""
    for turns in range(4):
        for mirrored in (False, True):
            blurry, sharp = (undo(image, turns, mirrored) for image in pair)
            places = np.argwhere(np.isclose(stack[2], sharp[0, 0], atol=1e-6))
            for y, x in places:
                window = np.s_[y : y + 16, x : x + 16]
                if stack[2][window].shape != (16, 16) or not np.allclose(stack[2][window], sharp):
                    continue
                return any(np.allclose(stack[z][window], blurry) for z in (0, 1, 3, 4))
    return False


def undo(image, turns, mirrored):
    return np.rot90(image[:, ::-1] if mirrored else image, -turns)


def test_in_focus_share(sampler, fitted):
    always = sampler(fitted, in_focus_share=1.0)
    for index in range(5):
        np.testing.assert_array_equal(*always.pair(index))


def test_structure_is_preferred(sampler, tmp_path, draw_stack):
    stack = np.full((3, 200, 200), 100, np.uint16)
    stack[:, 80:128, 80:128] = draw_stack(levels=3, focal=1)
    tifffile.imwrite(tmp_path / "f.tif", stack, imagej=True, metadata={"axes": "ZYX"})
    drawn = sampler(fit_series(index_data(tmp_path).series))
    lively = np.mean([drawn.pair(index).in_focus.std() > 0.02 for index in range(200)])
    share_of_places = ((48 + 15) / 185) ** 2
    assert lively > 1.8 * share_of_places


def test_crops_larger_than_planes_are_refused(sampler, fitted):
    with pytest.raises(InputError, match=r"48 x 48 pixels, smaller than a crop of 64"):
        sampler(fitted, crop_px=64)


def test_shares_become_whole_groups():
    names = [f"f{i}" for i in range(20)]
    splits = assign_splits(names, validation_share=0.1, test_share=0.2, seed=1)
    assert sorted(splits.values()).count("test") == 4
    assert sorted(splits.values()).count("validation") == 2
    assert splits == assign_splits(names[::-1], validation_share=0.1, test_share=0.2, seed=1)
    assert splits != assign_splits(names, validation_share=0.1, test_share=0.2, seed=2)


@pytest.mark.parametrize(
    ("count", "expected"), [(1, (1, 0, 0)), (2, (1, 1, 0)), (3, (2, 1, 0)), (4, (2, 1, 1))]
)
def test_few_groups_serve_training_first(count, expected):
    names = [f"f{i}" for i in range(count)]
    found = list(assign_splits(names, validation_share=0.1, test_share=0.1, seed=0).values())
    assert tuple(found.count(split) for split in ("train", "validation", "test")) == expected


def test_shares_that_leave_nothing():
    with pytest.raises(UsageError, match="nothing for training"):
        assign_splits(["a"], validation_share=0.5, test_share=0.5, seed=0)


def test_split_by_well_keeps_sites_together(fitted):
    series = [
        replace(fitted[0].series, field=f"{well}_s{site}", well=well)
        for well in ("a01", "a02", "b01", "b02", "c01")
        for site in (1, 2)
    ]
    shares = {"validation_share": 0.2, "test_share": 0.2, "seed": 0}
    by_well = split_series(series, by="auto", **shares)
    assert all(by_well[f"{well}_s1"] == by_well[f"{well}_s2"] for well in ("a01", "b02", "c01"))
    in_order = split_series(series, by="well", order="plate-order", **shares)
    assert [in_order[s.field] for s in series[::2]] == ["test", "validation"] + ["train"] * 3
    with pytest.raises(InputError, match="wells of the data are not known"):
        split_series([fitted[0].series], by="well", **shares)


def test_declared_splits_win(fitted):
    series = [
        replace(each.series, split=split)
        for each, split in zip(fitted, ("test", "train", "validation"), strict=True)
    ]
    shares = {"validation_share": 0.9, "test_share": 0.0, "seed": 0, "by": "auto"}
    assert list(split_series(series, **shares).values()) == ["test", "train", "validation"]
    with pytest.raises(InputError, match="no field for training"):
        split_series(series[:1], **shares)
