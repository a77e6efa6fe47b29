import pytest
import torch

from focusfix.losses.adversarial import (
    judgement_accuracy,
    judgement_loss,
    opinion_loss,
    variation,
)


def test_opinion_by_hand() -> None:
    assert float(opinion_loss(torch.tensor([[1.0, 0.5], [0.0, 1.0]]))) == pytest.approx(1.25 / 4)


def test_judgement_by_hand() -> None:
    of_true, of_made = torch.tensor([1.0, 0.8]), torch.tensor([0.0, 0.4])
    assert float(judgement_loss(of_true, of_made)) == pytest.approx(0.5 * 0.02 + 0.5 * 0.08)
    assert float(judgement_loss(torch.ones(3), torch.zeros(5))) == 0


def test_accuracy_counts_true_and_made_alike() -> None:
    assert float(judgement_accuracy(torch.tensor([0.5, 0.9]), torch.tensor([0.4]))) == 1
    always_true = torch.full((7,), 0.9)
    assert float(judgement_accuracy(always_true, always_true[:2])) == 0.5
    assert float(judgement_accuracy(torch.tensor([0.1, 0.6]), torch.tensor([0.7]))) == 0.25


def test_variation_of_a_batch() -> None:
    true = torch.rand(4, 1, 8, 8)
    assert float(variation(true, true)) == pytest.approx(1)
    assert float(variation(3 * true + 0.2, true)) == pytest.approx(3)
    assert float(variation(true[:1].expand(4, 1, 8, 8), true)) == 0
    half = 0.5 * true[1:3]
    assert float(variation(half, true[1:3])) == pytest.approx(0.5)


def test_variation_of_a_single_image_is_that_from_its_mirror_image() -> None:
    true = torch.rand(1, 1, 8, 8)
    assert float(variation(0.25 * true, true)) == pytest.approx(0.25)
    assert float(variation(torch.full_like(true, 0.3), true)) == 0
    assert bool(variation(true, torch.zeros_like(true)).isfinite())
