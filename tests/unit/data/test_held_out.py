from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile

from focusfix.data.focus_series import FocusSeries, PlaneSource
from focusfix.data.held_out import choose_held_out, ladder_levels, read_ladders
from focusfix.data.planes import PlaneStore
from focusfix.data.series_scale import FittedSeries, fit_one_series
from focusfix.errors import InputError


def series(field: str, path: Path = Path("f.tif"), levels: tuple[int, ...] = (0, 1, 2), **more):
    planes = tuple(PlaneSource(path, place) for place in range(len(levels)))
    return FocusSeries(field, "w1", planes, levels, more.pop("shape", (24, 30)), **more)


FIELDS = (series("a"), series("b"), series("c"))
HELD_OUT = {"test": ("b", "x"), "validation": ("c",)}


@pytest.mark.parametrize(
    ("split", "fields"), [("test", ["b"]), ("validation", ["c"]), ("all", ["a", "b", "c"])]
)
def test_only_fields_of_the_split(split, fields) -> None:
    assert [each.field for each in choose_held_out(FIELDS, HELD_OUT, split)] == fields


def test_fields_that_were_trained_on_are_refused() -> None:
    with pytest.raises(InputError, match=r"hold none of the fields .* kept for test: b, x"):
        choose_held_out(FIELDS[::2], HELD_OUT, "test")
    with pytest.raises(InputError, match="names fields only for validation"):
        choose_held_out(FIELDS, {"validation": ("c",)}, "test")
    with pytest.raises(InputError, match="it names none") as raised:
        choose_held_out(FIELDS, {}, "test")
    assert "--split all" in raised.value.fix


@pytest.mark.parametrize(
    ("focal", "step", "sides"),
    [
        (16, 2, (tuple(range(0, 17, 2)), tuple(range(32, 15, -2)))),
        (20, 5, ((0, 5, 10, 15, 20), (30, 25, 20))),
        (10, 10, ((30, 20, 10), (0, 10))),
        (33, 1, (tuple(range(34)),)),
        (16, 40, ()),
    ],
)
def test_sides_of_bbbc006(focal, step, sides) -> None:
    assert ladder_levels(range(34), focal, step=step) == sides


@pytest.fixture
def stack(tmp_path) -> FittedSeries:
    pixels = np.random.default_rng(0).integers(100, 900, (5, 24, 30)).astype(np.uint16)
    path = tmp_path / "f.tif"
    tifffile.imwrite(path, pixels, photometric="minisblack", metadata={"axes": "ZYX"})
    levels = (10, 12, 14, 16, 18)
    heights = (-12.0, -8.0, -4.0, 0.0, 4.5)
    return fit_one_series(series("f", path, levels, z_um=heights, focal_level=16))


@pytest.fixture
def store():
    with closing(PlaneStore(0)) as planes:
        yield planes


def test_ladders_end_in_focus_on_one_scale(stack, store) -> None:
    pixels = tifffile.imread(stack.series.planes[0].path)
    longer, shorter = read_ladders(stack, store, both_sides=True)
    assert longer.levels == (-12.0, -8.0, -4.0, 0.0)
    assert shorter.levels == (-4.5, 0.0)
    np.testing.assert_array_equal(longer.images, stack.scale.apply(pixels[:4]))
    np.testing.assert_array_equal(shorter.images, stack.scale.apply(pixels[:2:-1]))
    (only,) = read_ladders(stack, store, step=4, crop_px=16)
    assert only.levels == (-8.0, 0.0)
    np.testing.assert_array_equal(only.images[1], stack.scale.apply(pixels[3, 4:20, 7:23]))


def test_what_cannot_be_read(stack, store) -> None:
    with pytest.raises(InputError, match="no level beside the one in focus, 16"):
        list(read_ladders(stack, store, step=100))
    with pytest.raises(InputError, match="24 x 30 pixels, smaller than 25"):
        list(read_ladders(stack, store, crop_px=25))
    heights = (-1.0, -2.0, -4.0, 0.0, 4.0)
    odd = series("f", stack.series.planes[0].path, stack.series.z_levels, z_um=heights)
    with pytest.raises(InputError, match="do not follow its z-levels"):
        list(read_ladders(FittedSeries(odd, 16, stack.scale, stack.modality), store))


def test_colours_are_ladders_of_their_own(tmp_path, store) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (3, 24, 30, 3)).astype(np.uint8)
    tifffile.imwrite(tmp_path / "f.tif", pixels, photometric="rgb", metadata={"axes": "ZYXS"})
    fitted = fit_one_series(series("f", tmp_path / "f.tif", samples=3, focal_level=2))
    ladders = list(read_ladders(fitted, store))
    assert [each.field for each in ladders] == [f"f w1 colour {c}" for c in range(3)]
    np.testing.assert_array_equal(ladders[1].images, fitted.scale.apply(pixels[..., 1]))
    assert ladders[0].levels == (-2.0, -1.0, 0.0)
