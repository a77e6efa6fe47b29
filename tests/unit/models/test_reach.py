import pytest

from focusfix.models.reach import Span, farthest_reach, join


@pytest.mark.parametrize(
    ("traced", "expected"),
    [
        (Span(3, 5).before_convolution(2), Span(1, 7)),
        (Span(-1, 2).before_pooling(), Span(-2, 5)),
        (Span(-1, 5).before_doubling(), Span(-1, 2)),
        (Span(0, 1).before_halving_convolution(), Span(-1, 3)),
        (Span(4, 4).before_overlapping_doubling(), Span(2, 2)),
        (Span(5, 5).before_overlapping_doubling(), Span(2, 3)),
        (Span(-1, 0).before_overlapping_doubling(), Span(-1, 0)),
        (Span(4, 4).before_bilinear_doubling(), Span(1, 2)),
        (Span(5, 5).before_bilinear_doubling(), Span(2, 3)),
        (join(Span(0, 1), None, Span(-4, 0)), Span(-4, 1)),
    ],
)
def test_spans(traced: Span, expected: Span) -> None:
    assert traced == expected


def test_reach_takes_the_worst_phase() -> None:
    # 2-pixel pooling and doubling: pixel 0 sees [0, 1], pixel 1 sees [0, 1].
    assert farthest_reach(lambda span: span.before_doubling().before_pooling(), 2) == 1
    # One convolution of radius 1 at half size adds two pixels to that.
    assert (
        farthest_reach(
            lambda span: span.before_doubling().before_convolution(1).before_pooling(), 2
        )
        == 3
    )
