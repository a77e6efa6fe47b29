"""Alphas of the command line: ranges, labels and names."""

import pytest

from focusfix.cli.alphas import format_alpha, parse_alphas
from focusfix.errors import UsageError


def test_single_alphas_and_a_grid():
    assert parse_alphas([0.9], "0:0.5:0.25", zero_allowed=True) == [0.9, 0, 0.25, 0.5]


@pytest.mark.parametrize("alpha", [-0.1, 1.01, float("nan"), float("inf")])
def test_out_of_range(alpha):
    with pytest.raises(UsageError, match="An alpha is from 0 to 1"):
        parse_alphas([alpha], None, zero_allowed=True)


def test_zero_is_no_alpha_to_extrapolate_with():
    with pytest.raises(UsageError, match="greater than 0 and at most 1, not 0"):
        parse_alphas([0], None, zero_allowed=False)


def test_each_alpha_once():
    with pytest.raises(UsageError, match=r"Alpha 0.500 is given twice"):
        parse_alphas([0.5], "0:1:0.5", zero_allowed=True)


@pytest.mark.parametrize(
    ("alpha", "label"), [(0, "0.000"), (1, "1.000"), (0.125, "0.125"), (1 / 3, "0.333333")]
)
def test_label(alpha, label):
    assert format_alpha(alpha) == label
