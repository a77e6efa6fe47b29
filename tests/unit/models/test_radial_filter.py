"""Lengths of Fourier transforms."""

import pytest

from focusfix.models.radial_filter import fast_length


@pytest.mark.parametrize(
    ("size", "expected"), [(1, 8), (8, 8), (672, 672), (1312, 1344), (1320, 1344), (1664, 1680)]
)
def test_the_next_multiple_of_eight_without_large_factors_is_taken(
    size: int, expected: int
) -> None:
    assert fast_length(size) == expected
