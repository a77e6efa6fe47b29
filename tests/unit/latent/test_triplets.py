from collections import Counter

import pytest

from focusfix.latent.triplets import LevelTriplet, dyadic_triplets, full_triplets

PAPER = list(range(0, 17, 2))


def test_the_seven_triplets_of_the_paper() -> None:
    found = [(t.blurrier, t.sharper, t.between) for t in dyadic_triplets(PAPER)]
    assert found == [
        (0, 16, 8),
        (0, 8, 4),
        (8, 16, 12),
        (0, 4, 2),
        (4, 8, 6),
        (8, 12, 10),
        (12, 16, 14),
    ]
    assert {t.alpha for t in dyadic_triplets(PAPER)} == {0.5}


def test_how_often_dyadic_triplets_use_each_level_as_an_end() -> None:
    ends = Counter(level for t in dyadic_triplets(PAPER) for level in (t.sharper, t.blurrier))
    assert ends == {0: 3, 4: 2, 8: 4, 12: 2, 16: 3}


@pytest.mark.parametrize("count", [3, 5, 9, 17])
def test_dyadic_triplets_meet_every_inner_level_once_in_the_middle(count: int) -> None:
    levels = list(range(count))
    middles = sorted(t.between for t in dyadic_triplets(levels))
    assert middles == levels[1:-1]


def test_falling_levels_and_distances() -> None:
    assert [t.alpha for t in dyadic_triplets([32, 28, 24, 20, 16])] == [0.5] * 3
    (triplet,) = dyadic_triplets([-8.0, -2.0, 0.0])
    assert triplet == LevelTriplet(sharper=0.0, between=-2.0, blurrier=-8.0)
    assert triplet.alpha == 0.75


def test_full_triplets_are_all_of_them_with_their_alphas() -> None:
    triplets = full_triplets(PAPER)
    assert len(triplets) == len(set(triplets)) == 84  # 9 over 3
    assert all(t.blurrier < t.between < t.sharper for t in triplets)
    for t in triplets:
        assert t.alpha * t.sharper + (1 - t.alpha) * t.blurrier == pytest.approx(t.between)
    # 2 b = a + c over the even levels: what the text of the paper allows
    assert sum(t.alpha == 0.5 for t in triplets) == 16
    assert set(dyadic_triplets(PAPER)) <= set(triplets)


@pytest.mark.parametrize("take", [dyadic_triplets, full_triplets])
@pytest.mark.parametrize(
    ("levels", "message"),
    [
        ([], "at least 3 levels, got 0"),
        ([0, 1], "at least 3 levels, got 2"),
        ([0, 16, 32, 16, 0], "without turning back"),
        ([0, 2, 2, 4, 6], "without turning back"),
        ([4, 4, 4], "without turning back"),
    ],
)
def test_refuses_levels(take: object, levels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        take(levels)


@pytest.mark.parametrize("count", [4, 6, 8, 10])
def test_dyadic_triplets_refuse_what_cannot_be_halved(count: int) -> None:
    with pytest.raises(ValueError, match=f"a power of 2 and one .*, got {count}"):
        dyadic_triplets(list(range(count)))
