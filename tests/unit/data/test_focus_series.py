import csv
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile

from focusfix.data.focus_series import FocusSeries, PlaneSource, check_series
from focusfix.data.layouts import index_data, natural_order
from focusfix.data.planes import PlaneStore
from focusfix.data.series_scale import fit_series
from focusfix.errors import InputError, UsageError


def write_stack(path, stack, **metadata):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, stack, imagej=True, metadata=metadata)


def write_plane(path, plane):
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, plane)


def test_stacks_one_field_per_file(tmp_path, draw_stack):
    write_stack(tmp_path / "f2.tif", draw_stack(), axes="ZYX", spacing=0.5, unit="um")
    write_stack(tmp_path / "plate" / "f10.tif", draw_stack(seed=1), axes="ZYX")
    index = index_data(tmp_path)
    assert index.layout == "z-stacks"
    assert [series.field for series in index.series] == ["f2", "plate/f10"]
    assert index.series[0].z_levels == (0, 1, 2, 3, 4)
    assert index.series[0].z_um == pytest.approx((0, 0.5, 1.0, 1.5, 2.0))
    assert index.series[0].shape_yx == (48, 48)


@pytest.mark.parametrize("axes", ["CZYX", "ZCYX"])
def test_channels_become_series(tmp_path, draw_stack, axes):
    channels = np.stack([draw_stack(), draw_stack(seed=1)])
    stack = channels if axes == "CZYX" else channels.swapaxes(0, 1)
    tifffile.imwrite(tmp_path / "f.ome.tif", stack, ome=True, metadata={"axes": axes})
    index = index_data(tmp_path)
    assert [series.channel for series in index.series] == ["c0", "c1"]
    store = PlaneStore(1 << 20)
    for channel, series in enumerate(index.series):
        for level, source in enumerate(series.planes):
            np.testing.assert_array_equal(store.read(source)[..., 0], channels[channel, level])
    store.close()
    assert [s.channel for s in index_data(tmp_path, channels=["1"]).series] == ["c1"]
    with pytest.raises(UsageError, match="no channel 'c7'"):
        index_data(tmp_path, channels=["c7"])


def test_time_points_share_their_field(tmp_path, draw_stack):
    stack = np.stack([draw_stack(), draw_stack(seed=1)])
    write_stack(tmp_path / "f.tif", stack, axes="TZYX")
    index = index_data(tmp_path)
    assert [(series.field, series.frame) for series in index.series] == [("f", 0), ("f", 1)]


def test_time_taken_for_depth_only_if_the_user_says_so(tmp_path, draw_stack):
    write_stack(tmp_path / "f.tif", draw_stack(), axes="TYX")
    with pytest.raises(InputError, match="--axes ZYX"):
        index_data(tmp_path)
    assert len(index_data(tmp_path, axes="ZYX").series[0].planes) == 5


def test_single_stack_file_and_colour(tmp_path, draw_stack):
    colour = np.stack([draw_stack() // 256] * 3, axis=-1).astype(np.uint8)
    tifffile.imwrite(tmp_path / "f.tif", colour, photometric="rgb", metadata={"axes": "ZYXS"})
    series = index_data(tmp_path / "f.tif").series
    assert [(s.samples, len(s.planes)) for s in series] == [(3, 5)]


def test_one_level_is_refused(tmp_path, draw_stack):
    write_plane(tmp_path / "f.tif", draw_stack()[0])
    with pytest.raises(InputError, match="1 z-level"):
        index_data(tmp_path)


def test_nothing_to_read(tmp_path):
    with pytest.raises(InputError, match="holds no TIFF"):
        index_data(tmp_path)
    with pytest.raises(InputError, match="does not exist"):
        index_data(tmp_path / "none")
    (tmp_path / "f.tif").write_bytes(b"II*\0")
    with pytest.raises(InputError, match=r"f\.tif"):
        index_data(tmp_path)


def test_plates_match_by_well_site_and_channel(tmp_path, draw_stack):
    for level, plane in enumerate(draw_stack(levels=18, focal=16)):
        folder = tmp_path / f"BBBC006_v1_images_z_{level:02d}"
        for channel in (1, 2):
            uuid = f"{level:08x}-{channel:04x}-4b2a-9c1d-0123456789ab"
            write_plane(folder / f"mcf-z-stacks-03212011_a01_s1_w{channel}{uuid}.tif", plane)
            write_plane(folder / f"mcf-z-stacks-03212011_b12_s2_w{channel}{uuid}.tif", plane)
    index = index_data(tmp_path)
    assert index.layout == "plane folders"
    found = [(s.field, s.channel, s.well) for s in index.series]
    assert found == [
        ("a01_s1", "w1", "a01"),
        ("a01_s1", "w2", "a01"),
        ("b12_s2", "w1", "b12"),
        ("b12_s2", "w2", "b12"),
    ]
    assert {s.focal_level for s in index.series} == {16}
    assert {s.focal_level for s in index_data(tmp_path, focal_level="17").series} == {17}
    assert {s.focal_level for s in index_data(tmp_path, focal_level="sharpest").series} == {None}
    with pytest.raises(InputError, match="no z-level 18"):
        index_data(tmp_path, focal_level="18")
    with pytest.raises(UsageError, match="--focal-level"):
        index_data(tmp_path, focal_level="middle")


def test_plane_folders_need_every_field_everywhere(tmp_path, draw_stack):
    stack = draw_stack()
    for level in range(3):
        write_plane(tmp_path / f"z_{level}" / "left.tif", stack[level])
    write_plane(tmp_path / "z_1" / "right.tif", stack[1])
    with pytest.raises(InputError, match=r"lacks 1 images.*right"):
        index_data(tmp_path)
    (tmp_path / "z_1" / "right.tif").unlink()
    assert index_data(tmp_path).series[0].z_levels == (0, 1, 2)
    write_plane(tmp_path / "z_2" / "left.tif", stack[2, :40])
    with pytest.raises(InputError, match="differ in shape"):
        index_data(tmp_path)


@pytest.mark.parametrize(
    ("blurry", "sharp"), [("out_of_focus", "in_focus"), ("Blurry", "sharp"), ("low", "GT")]
)
def test_pair_folders_by_name(tmp_path, draw_stack, blurry, sharp):
    stack = draw_stack()
    for name, level in ((blurry, 0), (sharp, 2)):
        write_plane(tmp_path / name / "a.tif", stack[level])
    index = index_data(tmp_path)
    assert index.layout == "pair folders"
    assert [p.path.parent.name for p in index.series[0].planes] == [blurry, sharp]
    assert index.series[0].focal_level == 1
    with pytest.raises(UsageError, match="no meaning for pair folders"):
        index_data(tmp_path, focal_level="0")


def test_pairs_by_option_and_their_faults(tmp_path, draw_stack):
    stack = draw_stack()
    write_plane(tmp_path / "one" / "a.tif", stack[0])
    write_plane(tmp_path / "two" / "a.tif", stack[2])
    both = {"data": tmp_path / "one", "in_focus": tmp_path / "two"}
    assert index_data(**both).layout == "pair folders"
    write_plane(tmp_path / "one" / "b.tif", stack[0])
    write_plane(tmp_path / "two" / "c.tif", stack[0])
    with pytest.raises(InputError, match=r"2 images have no partner.*b\.tif.*c\.tif"):
        index_data(**both)
    with pytest.raises(InputError, match="no pair of images"):
        index_data(**both, pattern="x*")
    write_plane(tmp_path / "two" / "a.tif", stack[2, :40])
    with pytest.raises(InputError, match="differ in shape"):
        index_data(**both, pattern="a*")


def write_manifest(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def manifest_rows(tmp_path, stack, **extra):
    for level, plane in enumerate(stack):
        write_plane(tmp_path / "images" / f"p{level}.tif", plane)
    return [
        {"path": f"images/p{level}.tif", "field": "f", "z_index": level, "z_um": 2 * level, **extra}
        for level in range(len(stack))
    ]


def test_manifest(tmp_path, draw_stack):
    rows = manifest_rows(
        tmp_path, draw_stack(), channel="dna", split="train", well="a01", focal_level=2, alpha=0.5
    )
    write_manifest(tmp_path / "manifest.csv", rows[::-1])
    index = index_data(tmp_path)
    (series,) = index.series
    assert index.layout == "manifest"
    assert (series.field, series.channel, series.well, series.split) == ("f", "dna", "a01", "train")
    assert (series.z_levels, series.focal_level) == ((0, 1, 2, 3, 4), 2)
    assert series.z_um == (0, 2, 4, 6, 8)
    assert index.notes == (f"{tmp_path / 'manifest.csv'}: the columns alpha are not used.",)


def test_manifest_with_channels_inside_the_files(tmp_path, draw_stack):
    stack = np.stack([draw_stack(), draw_stack(seed=1)], axis=1)
    for level, planes in enumerate(stack):
        write_stack(tmp_path / f"p{level}.tif", planes, axes="CYX")
    rows = [
        {"path": f"p{level}.tif", "field": "f", "channel": channel, "z_index": level}
        for level in range(5)
        for channel in range(2)
    ]
    write_manifest(tmp_path / "manifest.csv", rows)
    series = index_data(tmp_path).series
    assert [{p.plane for p in s.planes} for s in series] == [{0}, {1}]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"z_index": "x"}, "line 2: z_index must be a whole number"),
        ({"path": ""}, "line 2: path is empty"),
        ({"path": "images/none.tif"}, r"none\.tif does not exist"),
        ({"z_index": 1}, "not strictly ascending"),
        ({"split": "validation"}, "disagree on split"),
        ({"z_um": "deep"}, "z_um of field f is not a number"),
    ],
)
def test_faults_of_a_manifest(tmp_path, draw_stack, change, message):
    rows = manifest_rows(tmp_path, draw_stack(), split="train")
    write_manifest(tmp_path / "manifest.csv", [{**rows[0], **change}, *rows[1:]])
    with pytest.raises(InputError, match=message):
        index_data(tmp_path / "manifest.csv")


def test_manifest_without_a_column(tmp_path):
    write_manifest(tmp_path / "list.csv", [{"path": "a.tif", "z_index": 0}])
    with pytest.raises(InputError, match="no column field"):
        index_data(tmp_path / "list.csv")


def make_series(**changes):
    planes = (PlaneSource("a.tif"), PlaneSource("b.tif"))
    basis = {"field": "f", "channel": "", "planes": planes, "z_levels": (0, 1), "shape_yx": (9, 9)}
    return FocusSeries(**{**basis, **changes})


def test_series_that_share_a_field_between_splits():
    with pytest.raises(InputError, match="more than one split: f"):
        check_series([make_series(split="train"), make_series(split="test", channel="b")])
    with pytest.raises(InputError, match="others have none: g"):
        check_series([make_series(split="train"), make_series(field="g")])
    with pytest.raises(InputError, match="no split called dev"):
        check_series([make_series(split="dev")])
    with pytest.raises(InputError, match="same name: f"):
        check_series([make_series(), make_series()])
    with pytest.raises(InputError, match="No focal series"):
        check_series([])


def test_scale_and_focal_level_are_those_of_the_whole_series(tmp_path, draw_stack):
    stack = draw_stack(levels=7, focal=4)
    write_stack(tmp_path / "f.tif", stack, axes="ZYX")
    (fitted,) = fit_series(index_data(tmp_path).series)
    low, high = np.percentile(stack, [0.1, 99.9])
    assert fitted.focal_level == 4
    assert fitted.modality == "fluorescence"
    assert fitted.scale.offset == pytest.approx(low)
    assert fitted.scale.gain == pytest.approx(1 / (high - low))


def test_fields_that_cannot_be_scaled(tmp_path):
    write_stack(tmp_path / "flat.tif", np.full((3, 16, 16), 7, np.uint16), axes="ZYX")
    with pytest.raises(InputError, match="are 7"):
        fit_series(index_data(tmp_path / "flat.tif").series)
    gaps = np.random.default_rng(0).random((3, 16, 16), np.float32)
    gaps[1, 3, 3] = np.nan
    write_stack(tmp_path / "gaps.tif", gaps, axes="ZYX")
    with pytest.raises(InputError, match="plane 1 holds NaN"):
        fit_series(index_data(tmp_path / "gaps.tif").series)


def test_planes_beyond_the_budget_stay_on_disk(tmp_path, draw_stack):
    stack = draw_stack()
    write_stack(tmp_path / "f.tif", stack, axes="ZYX")
    (series,) = index_data(tmp_path).series
    store = PlaneStore(budget_bytes=2 * stack[0].nbytes)
    windows = [store.read(source, slice(3, 20), slice(5, 9)) for source in series.planes]
    again = [store.read(source, slice(3, 20), slice(5, 9)) for source in series.planes]
    np.testing.assert_array_equal(np.stack(windows)[..., 0], stack[:, 3:20, 5:9])
    np.testing.assert_array_equal(np.stack(again)[..., 0], stack[:, 3:20, 5:9])
    store.close()


@pytest.mark.parametrize("planes_kept", [0, 3, 1000])
def test_threads_read_the_same_planes_at_once(tmp_path, draw_stack, planes_kept):
    stacks = [draw_stack(seed=seed) for seed in range(12)]
    for seed, stack in enumerate(stacks):
        write_stack(tmp_path / f"f{seed}.tif", stack, axes="ZYX")
    wanted = [
        (source, stacks[number][level])
        for number, series in enumerate(index_data(tmp_path).series)
        for level, source in enumerate(series.planes)
    ] * 4
    store = PlaneStore(planes_kept * stacks[0][0].nbytes)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda each: store.read(each[0], slice(2, 30)), wanted))
    for window, (_, plane) in zip(found, wanted, strict=True):
        np.testing.assert_array_equal(window[..., 0], plane[2:30])
    store.close()


def test_natural_order():
    assert sorted(["z10", "z9", "a"], key=natural_order) == ["a", "z9", "z10"]
