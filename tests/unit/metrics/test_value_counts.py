import numpy as np
import pytest

from focusfix.metrics.value_counts import count_values

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    "pixels",
    [
        RNG.integers(0, 50, (30, 41), dtype=np.uint8),
        RNG.integers(9, 60000, (30, 41), dtype=np.uint16),
        RNG.integers(-40, 40, (30, 41)),
        RNG.normal(size=(30, 41)).astype(np.float32),
        np.full((3, 3), 7, dtype=np.uint16),
        np.array([[2.5]]),
    ],
    ids=["uint8", "uint16", "int64", "float32", "one value", "one pixel"],
)
def test_counts_and_ranks_are_those_of_numpy(pixels):
    found = count_values(pixels)
    values, counts = np.unique(pixels, return_counts=True)
    assert np.array_equal(found.values, values)
    assert np.array_equal(found.counts, counts)
    assert found.size == pixels.size
    for percent in (0, 0.1, 37, 50, 99.9, 100):
        assert found.percentile(percent) == pytest.approx(np.percentile(pixels, percent))
    ranks = np.arange(pixels.size)
    assert np.array_equal(found.at_ranks(ranks), np.sort(pixels, axis=None))
