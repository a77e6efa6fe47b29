"""Triplets, groups, factor pairs and refocus pairs: every pixel says field, level and place."""

from dataclasses import replace

import numpy as np
import pytest
import tifffile

from focusfix.data.layouts import index_data
from focusfix.data.level_choice import keep_with_heights
from focusfix.data.planes import PlaneStore
from focusfix.data.series_sampler import SeriesSampler
from focusfix.data.series_scale import fit_series, with_z_spacing
from focusfix.errors import InputError

FIELDS, LEVELS, FOCAL, SIDE, CROP = 3, 5, 4, 40, 16


def level_step(field):
    return 2000 + 500 * field


@pytest.fixture(scope="module")
def coded(tmp_path_factory):
    """Stacks whose pixels are level * (2000 + 500 * field) + 40 * row + column."""
    folder = tmp_path_factory.mktemp("coded")
    place = np.add.outer(40 * np.arange(SIDE), np.arange(SIDE))
    for field in range(FIELDS):
        stack = np.stack([level_step(field) * level + place for level in range(LEVELS)])
        tifffile.imwrite(
            folder / f"f{field}.tif", stack.astype(np.uint16), imagej=True, metadata={"axes": "ZYX"}
        )
    index = index_data(folder, focal_level=str(FOCAL))
    return fit_series(with_z_spacing(index.series, 2.0))


@pytest.fixture
def make_sampler():
    stores = []

    def make(fitted, *, seed=(1, 2), budget=1 << 24):
        stores.append(PlaneStore(budget))
        return SeriesSampler(fitted, stores[-1], crop_px=CROP, in_focus_share=0.0, seed=seed)

    yield make
    for store in stores:
        store.close()


@pytest.fixture
def sampler(make_sampler, coded):
    return make_sampler(coded)


def decode(image, coded):
    """Field, level and rows x columns of a crop, in camera units."""
    for number, each in enumerate(coded):
        values = image / each.scale.gain + each.scale.offset
        level, place = np.divmod(np.round(values), level_step(number))
        if np.allclose(values, np.round(values), atol=0.05) and len(np.unique(level)) == 1:
            return number, int(level[0, 0]), place
    raise AssertionError("this is no crop of any field")


def same_place(*places):
    return all(np.array_equal(places[0], place) for place in places[1:])


def test_a_triplet_is_one_place_at_three_levels(sampler, coded, make_sampler):
    seen = set()
    for index in range(30):
        drawn = sampler.triplet(index, pattern="auto")
        found = [decode(image, coded) for image in drawn[:3]]
        assert len({field for field, _, _ in found}) == 1
        sharper, between, blurrier = (level for _, level, _ in found)
        assert blurrier < between < sharper
        assert drawn.alpha == (between - blurrier) / (sharper - blurrier) == 0.5
        assert same_place(*(place for _, _, place in found))
        seen.add((found[0][0], sharper, between, blurrier))
    assert len(seen) == FIELDS * 3
    again = make_sampler(coded, budget=0)
    assert np.array_equal(drawn.between, again.triplet(29, pattern="auto").between)


def test_ten_crops_go_through_all_triplets(sampler, coded):
    seen = []
    for index in range(2 * FIELDS * 3):
        crops = sampler.ten_crops(index, pattern="dyadic")
        assert len(crops) == 10
        found = [decode(crop.sharper, coded) for crop in crops]
        levels = [decode(image, coded)[1] for image in crops[0][:3]]
        seen.append((found[0][0], *levels))
        far = SIDE - CROP
        starts = [40 * y + x for y, x in ((0, 0), (0, far), (far, 0), (far, far), (12, 12))]
        assert [place[0, 0] for _, _, place in found[:5]] == starts
        for plain, mirrored in zip(found[:5], found[5:], strict=True):
            assert np.array_equal(plain[2][:, ::-1], mirrored[2])
    first, second = seen[: FIELDS * 3], seen[FIELDS * 3 :]
    assert len(set(first)) == FIELDS * 3
    assert set(first) == set(second)
    assert first != second
    centre = sampler.centre_crop(0, pattern="dyadic")
    assert np.array_equal(centre.sharper, sampler.ten_crops(0, pattern="dyadic")[4].sharper)


def test_a_group_is_one_place_at_different_levels(sampler, coded):
    for index in range(10):
        group = sampler.group(index, size=4)
        found = [decode(image, coded) for image in (group.in_focus, *group.images)]
        assert len({field for field, _, _ in found}) == 1
        assert same_place(*(place for _, _, place in found))
        levels = [level for _, level, _ in found]
        assert levels[0] == FOCAL
        assert len(set(levels[1:])) == 4
        assert group.levels.tolist() == [level - FOCAL for level in levels[1:]]
        assert group.dz_um.tolist() == [2.0 * (level - FOCAL) for level in levels[1:]]


def test_factor_pairs_share_what_they_say(sampler, coded):
    for index in range(20):
        drawn = sampler.factor_pairs(index)
        image, other_level, other, in_focus = (decode(each, coded) for each in drawn[:4])
        assert image[0] == other_level[0] == in_focus[0] != other[0]
        assert image[1] == other[1] != other_level[1]
        assert in_focus[1] == FOCAL
        assert same_place(image[2], other_level[2], in_focus[2])
        assert drawn.levels.tolist() == [image[1] - FOCAL, other_level[1] - FOCAL]
        assert drawn.dz_um.tolist() == [2.0 * level for level in drawn.levels]


def test_the_other_identity_of_a_single_field_is_another_place(make_sampler, coded):
    alone = make_sampler(coded[:1], seed=(0,))
    apart = []
    for index in range(20):
        drawn = alone.factor_pairs(index)
        image, other = decode(drawn.image, coded), decode(drawn.other_identity, coded)
        assert image[1] == other[1]
        ways = [abs(np.divmod(p[2].min(), 40)[i]) for i in (0, 1) for p in (image, other)]
        apart.append(max(abs(ways[0] - ways[1]), abs(ways[2] - ways[3])))
    assert np.mean(np.array(apart) >= CROP) > 0.5
    assert min(apart) > 0


def test_ways_need_heights(make_sampler, coded):
    plain = [replace(each, series=replace(each.series, z_um=None)) for each in coded]
    with pytest.raises(InputError, match=r"f0\.tif: how far its z-levels .*--z-spacing-um"):
        keep_with_heights(plain)
    group = make_sampler(plain).group(0, size=2)
    assert np.isnan(group.dz_um).all()
