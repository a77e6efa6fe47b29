"""The whole chain with networks whose answer is known."""

import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from focusfix.blocks import assemble_blocks
from focusfix.engine.normalize import IntensityScale
from focusfix.engine.source import READ_BYTES, ArraySource, read_pieces
from focusfix.engine.stream import RestoreStats, restore
from focusfix.engine.tiles import plan_tiles
from focusfix.errors import InputError, ModelError, OutOfMemoryError
from focusfix.footprint import Footprint

UNIT = IntensityScale(offset=0.0, gain=1.0)
EXACT = Footprint(reach_px=3, stride_px=4)
INEXACT = Footprint(reach_px=3, stride_px=4, exact=False)


def smooth(tiles: np.ndarray) -> np.ndarray:
    """Average 7 x 7 pixels: reaches 3 pixels."""
    return np.asarray(ndimage.uniform_filter(tiles, size=(1, 1, 7, 7), mode="constant"))


def image(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 1000, shape, dtype=np.uint16)


def run(stack: np.ndarray, function: Callable[..., Any], footprint: Footprint, **words: Any) -> Any:
    source = ArraySource(stack)
    tile_px = words.pop("tile_px", 40)
    plan = plan_tiles(source.shape_yx, footprint, tile_px=tile_px)
    scales = words.pop("scales", [UNIT] * source.n_planes)
    return restore(source, function, plan, scales, **words)


def joined(blocks: Any, shape: tuple[int, ...]) -> np.ndarray:
    return assemble_blocks(blocks, shape[1:3]).reshape(shape)


@pytest.mark.parametrize("footprint", [EXACT, INEXACT])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_smoothing_in_tiles_is_smoothing_the_mirrored_image(
    footprint: Footprint, batch_size: int
) -> None:
    planes = image(2, 133, 101, 1)
    result = joined(
        run(planes, smooth, footprint, batch_size=batch_size, dtype=np.float32), planes.shape
    )
    expected = ndimage.uniform_filter(planes.astype(np.float64), (0, 7, 7, 0), mode="mirror")
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-2)


def test_samples_are_restored_one_by_one_and_alpha_is_copied() -> None:
    planes = image(1, 60, 70, 4)
    result = joined(run(planes, smooth, EXACT, copied_samples=(3,)), planes.shape)
    expected = ndimage.uniform_filter(planes.astype(np.float64), (0, 7, 7, 0), mode="mirror")
    np.testing.assert_allclose(result[..., :3], expected[..., :3], atol=0.51)
    np.testing.assert_array_equal(result[..., 3], planes[..., 3])


def test_chosen_planes_come_in_the_order_wanted() -> None:
    planes = image(3, 20, 20, 1)
    result = joined(run(planes, lambda x: x, EXACT, planes=[2, 0, 0]), (3, 20, 20, 1))
    np.testing.assert_array_equal(result, planes[[2, 0, 0]])


def test_scale_is_that_of_the_plane() -> None:
    planes = np.stack([np.full((8, 8, 1), 10, np.uint16), np.full((8, 8, 1), 20, np.uint16)])
    scales = [IntensityScale(0.0, 0.1), IntensityScale(0.0, 0.05)]
    result = joined(run(planes, lambda x: x + 1, EXACT, scales=scales), planes.shape)
    assert np.unique(result[0]).tolist() == [20]
    assert np.unique(result[1]).tolist() == [40]


def test_constant_planes_never_see_the_network() -> None:
    def refuse(tiles: np.ndarray) -> np.ndarray:
        raise AssertionError(tiles.shape)

    planes = np.full((1, 50, 50, 1), 9, np.uint8)
    scales = [IntensityScale(9.0, 1.0, constant=True)]
    shares: list[float] = []
    blocks = run(planes, refuse, EXACT, scales=scales, on_progress=shares.append)
    np.testing.assert_array_equal(joined(blocks, planes.shape), planes)
    assert shares[-1] == 1.0


def test_statistics_and_progress_are_complete_at_the_end() -> None:
    planes = np.full((1, 90, 90, 1), 250, np.uint8)
    planes[0, :10] = 0
    stats, shares = RestoreStats(), []
    list(run(planes, lambda x: x + 10, EXACT, stats=stats, on_progress=shares.append))
    assert stats.n_pixels == 8100
    assert stats.clipped_share == pytest.approx(80 / 90)
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    assert not stats.backed_off


def _limited(largest: int, calls: list[tuple[int, ...]]) -> Callable[[np.ndarray], np.ndarray]:
    def function(tiles: np.ndarray) -> np.ndarray:
        calls.append(tiles.shape)
        if tiles.size > largest:
            raise OutOfMemoryError("Too big.", "Use less.")
        return smooth(tiles)

    return function


@pytest.mark.parametrize("batch_size", [1, 4])
def test_back_off_gives_the_same_pixels(batch_size: int) -> None:
    planes = image(1, 400, 300, 1)
    words = {"tile_px": 208, "dtype": np.float32}
    expected = joined(run(planes, smooth, EXACT, **words), planes.shape)
    stats, calls = RestoreStats(), []
    limited = _limited(64 * 64, calls)
    blocks = run(planes, limited, EXACT, stats=stats, batch_size=batch_size, **words)
    np.testing.assert_allclose(joined(blocks, planes.shape), expected, rtol=1e-5)
    assert stats.backed_off
    assert stats.tile_shape[0] * stats.tile_shape[1] <= 64 * 64
    too_big = [shape for shape in calls if np.prod(shape) > 64 * 64]
    assert len(too_big) <= 10, "sizes that failed are not tried again"


def test_back_off_of_blended_tiles_leaves_no_seam() -> None:
    planes = image(1, 300, 900, 1)
    stats: RestoreStats = RestoreStats()
    words = {"tile_px": 208, "dtype": np.float32}
    expected = joined(run(planes, smooth, EXACT, **words), planes.shape)
    blocks = run(planes, _limited(208 * 140, []), INEXACT, stats=stats, **words)
    np.testing.assert_allclose(joined(blocks, planes.shape), expected, rtol=1e-4, atol=1e-2)
    assert stats.backed_off


@pytest.mark.parametrize("error", [OutOfMemoryError("No.", "No."), MemoryError()])
def test_giving_up_names_the_smallest_tile(error: BaseException) -> None:
    def never(_tiles: np.ndarray) -> np.ndarray:
        raise error

    with pytest.raises(OutOfMemoryError, match="tiles of 48 x 48 pixels either"):
        list(run(image(1, 300, 300, 1), never, EXACT, tile_px=200))


def test_values_that_are_not_finite_are_the_networks_fault() -> None:
    with pytest.raises(ModelError, match="not finite"):
        list(run(image(1, 9, 9, 1), lambda x: x * np.float32(np.nan), EXACT))


def test_a_network_with_more_channels_is_refused() -> None:
    with pytest.raises(ModelError, match="turned tiles of shape"):
        list(run(image(1, 9, 9, 1), lambda x: np.concatenate([x, x], axis=1), EXACT))


def test_gaps_are_filled_only_if_the_scale_says_so() -> None:
    planes = image(1, 50, 50, 1).astype(np.float32)
    planes[0, 33, 7] = np.nan
    with pytest.raises(InputError, match="row 33, column 7"):
        list(run(planes, smooth, EXACT))
    filled = joined(run(planes, lambda x: x, EXACT, scales=[IntensityScale(0, 1, 5)]), planes.shape)
    assert filled[0, 33, 7] == 5


def test_companions_are_further_channels_on_the_scale_of_the_image() -> None:
    planes, other = image(2, 90, 70, 2), image(2, 90, 70, 3, seed=1)
    scales = [IntensityScale(0.0, 0.01), IntensityScale(5.0, 0.02)]
    result = joined(
        run(
            planes,
            lambda tiles: tiles[:, :1] + 2 * tiles[:, 1:],
            EXACT,
            scales=scales,
            companions=[ArraySource(other)],
            copied_samples=(1,),
            dtype=np.float32,
            batch_size=2,
        ),
        planes.shape,
    )
    expected = planes[..., 0] + 2 * (other[..., 0] - np.array([0.0, 5.0])[:, None, None])
    np.testing.assert_allclose(result[..., 0], expected, rtol=1e-5, atol=1e-2)
    np.testing.assert_array_equal(result[..., 1], planes[..., 1])


@pytest.mark.parametrize("shape", [(2, 90, 71, 1), (1, 90, 70, 1)])
def test_companions_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="a companion has"):
        run(image(2, 90, 70, 1), smooth, EXACT, companions=[ArraySource(image(*shape))])


def test_gaps_of_a_companion_are_found() -> None:
    other = image(1, 50, 50, 1).astype(np.float32)
    other[0, 3, 7] = np.inf
    with pytest.raises(InputError, match="row 3, column 7"):
        list(run(image(1, 50, 50, 1), smooth, EXACT, companions=[ArraySource(other)]))


def _worker_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("focusfix-")]


@pytest.mark.parametrize(("side", "thread"), [(40, "MainThread"), (41, "focusfix-read")])
def test_what_is_more_than_one_batch_is_read_in_another_thread(side: int, thread: str) -> None:
    read_in: set[str] = set()

    class Watched(ArraySource):
        def read_window(self, plane: int, rows: slice, columns: slice) -> np.ndarray:
            read_in.add(threading.current_thread().name)
            return super().read_window(plane, rows, columns)

    source = Watched(image(1, side, side, 1))
    plan = plan_tiles((side, side), Footprint(0, 4), tile_px=40)
    for _ in restore(source, lambda tiles: tiles, plan, [UNIT]):
        pass
    assert read_in == {thread}


@pytest.mark.parametrize("side", [9, 90])
def test_errors_of_the_reader_arrive_with_their_type(side: int) -> None:
    class Broken(ArraySource):
        def read_window(self, *_where: object) -> np.ndarray:
            raise InputError("The file is cut off.", "Copy it again.")

    source = Broken(image(1, side, side, 1))
    with pytest.raises(InputError, match="cut off"):
        list(restore(source, smooth, plan_tiles((side, side), EXACT, tile_px=40), [UNIT]))
    assert _worker_threads() == []


def test_stopping_early_leaves_no_thread() -> None:
    blocks = run(image(5, 300, 300, 1), smooth, EXACT)
    next(blocks)
    assert _worker_threads() != []
    blocks.close()
    assert _worker_threads() == []


def test_a_generator_that_was_never_started_has_no_thread() -> None:
    run(image(1, 30, 30, 1), smooth, EXACT).close()
    assert _worker_threads() == []


class Counting(ArraySource):
    """Counts how often each pixel is read, and how many windows."""

    def __init__(self, planes: np.ndarray, chunk_yx: tuple[int, int] | None = None) -> None:
        super().__init__(planes)
        self.chunk_yx = chunk_yx or self.chunk_yx
        self.times_read = np.zeros(planes.shape[:3], int)
        self.windows: list[tuple[int, int]] = []

    def read_window(self, plane: int, rows: slice, columns: slice) -> np.ndarray:
        self.times_read[plane, rows, columns] += 1
        self.windows.append((rows.stop - rows.start, columns.stop - columns.start))
        return super().read_window(plane, rows, columns)


@pytest.mark.parametrize("chunk_yx", [(1, 3000), (7, 3000), (2000, 3000), (512, 512), (600, 2900)])
def test_pieces_hold_every_pixel_once_and_whole_chunks(chunk_yx: tuple[int, int]) -> None:
    planes = image(2, 2000, 3000, 1)
    source = Counting(planes, chunk_yx)

    np.testing.assert_array_equal(
        assemble_blocks(read_pieces(source, [0, 1]), (2000, 3000)), planes
    )

    assert (source.times_read == 1).all()
    assert max(2 * height * width for height, width in source.windows) <= READ_BYTES
    tall, wide = chunk_yx
    for block, _ in read_pieces(source, [0]):
        assert block.columns.start % wide == 0
        assert block.rows.start // tall == (block.rows.stop - 1) // tall or wide == 3000


def test_few_tiles_are_read_ahead_whatever_the_size_of_the_image() -> None:
    source = Counting(image(1, 400, 3000, 1))
    plan = plan_tiles(source.shape_yx, EXACT, tile_px=40)
    blocks = restore(source, smooth, plan, [UNIT], batch_size=2)

    next(blocks)

    assert plan.n_tiles > 900
    assert len(source.windows) < 20
    assert max(max(shape) for shape in source.windows) <= 40
    blocks.close()


def test_blocks_come_row_by_row_of_tiles() -> None:
    planes = image(2, 100, 130, 1)
    blocks = [block for block, _ in run(planes, smooth, INEXACT)]
    starts = [(block.plane, block.rows.start, block.columns.start) for block in blocks]
    assert starts == sorted(starts)
    assert len(set(starts)) == len(starts) > 20
