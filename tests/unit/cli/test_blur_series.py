import math

import pytest

from focusfix.cli.blur_plan import check_distances, format_distance
from focusfix.errors import UsageError


@pytest.mark.parametrize(
    ("dz_um", "label"), [(10, "+10.0"), (-2.5, "-2.5"), (0, "+0.0"), (0.25, "+0.25")]
)
def test_label(dz_um, label):
    assert format_distance(dz_um) == label


def test_distances_ascend():
    assert check_distances([3, -1, 0]) == [-1, 0, 3]


@pytest.mark.parametrize("distances", [[1, 1.0], [math.inf, 1], [1, math.nan]])
def test_no_series(distances):
    with pytest.raises(UsageError):
        check_distances(distances)
