import numpy as np
import pytest

from focusfix.metrics.probe import hold_out_levels, probe_accuracy, probe_codes

FIELDS, LEVELS = 6, 10
IDENTITIES = np.repeat(np.arange(FIELDS), LEVELS)


def named_codes(noise: float) -> np.ndarray:
    """Codes that spell their field, under noise."""
    rng = np.random.default_rng(0)
    return 5 * np.eye(FIELDS)[IDENTITIES] + rng.normal(0, noise, (len(IDENTITIES), FIELDS))


def test_a_fifth_of_the_levels_of_every_identity_is_kept() -> None:
    held_out = hold_out_levels(IDENTITIES, seed=1)
    assert not np.any(held_out.train & held_out.test)
    assert np.all(held_out.train | held_out.test)
    assert np.bincount(IDENTITIES[held_out.test]).tolist() == [2] * FIELDS
    assert not np.array_equal(held_out.test, hold_out_levels(IDENTITIES, seed=2).test)
    np.testing.assert_array_equal(held_out.test, hold_out_levels(IDENTITIES, seed=1).test)


def test_one_level_cannot_be_split() -> None:
    with pytest.raises(ValueError, match="identity 7 has one level only"):
        hold_out_levels([3, 3, 7])


@pytest.mark.parametrize("kind", ["linear", "mlp"])
def test_planted_identities_are_found_and_noise_is_not(kind) -> None:
    noise = np.random.default_rng(1).normal(size=(len(IDENTITIES), 4))
    score = probe_codes(named_codes(0.1), noise, IDENTITIES, kind=kind, epochs=150)
    assert score.identity == 1
    assert score.blur < 0.5
    assert score.chance == pytest.approx(1 / FIELDS)
    assert score.ml_vae_score == score.identity - score.blur


def test_the_level_alone_tells_nothing() -> None:
    """A blur code that is the level is the same for all fields: accuracy about chance."""
    levels = np.tile(np.linspace(0, 1, LEVELS), FIELDS)[:, None]
    held_out = hold_out_levels(IDENTITIES)
    assert probe_accuracy(levels, IDENTITIES, held_out, kind="linear") <= 2 / FIELDS


def test_a_network_finds_what_is_not_linear() -> None:
    """Rings around one centre: no line parts them, the network does."""
    rng = np.random.default_rng(2)
    identities = np.repeat([0, 1], 150)
    angles = rng.uniform(0, 2 * np.pi, 300)
    radii = np.where(identities == 0, 1.0, 3.0)
    codes = radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    held_out = hold_out_levels(identities)
    assert probe_accuracy(codes, identities, held_out, kind="linear") < 0.75
    assert probe_accuracy(codes, identities, held_out, kind="mlp", epochs=200) == 1


def test_same_seed_same_answer() -> None:
    held_out = hold_out_levels(IDENTITIES)
    codes = named_codes(3.0)
    first, second = (
        probe_accuracy(codes, IDENTITIES, held_out, kind="mlp", epochs=20, seed=4) for _ in range(2)
    )
    assert first == second


def test_rows_must_match() -> None:
    held_out = hold_out_levels(IDENTITIES)
    with pytest.raises(ValueError, match="two identities or more"):
        probe_accuracy(named_codes(1)[:5], IDENTITIES, held_out, kind="linear")
