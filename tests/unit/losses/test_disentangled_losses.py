import pytest
import torch
from torch import Tensor

from focusfix.losses.disentangled import (
    MARGIN,
    code_distance,
    consistency_loss,
    contrastive_loss,
    delay_weight,
    ml_vae_loss,
)


def code(value: float, shape: tuple[int, ...] = (2, 3, 4, 4)) -> Tensor:
    return torch.full(shape, value, dtype=torch.float64)


@pytest.mark.parametrize("shape", [(2, 1), (2, 512, 8, 8)])
def test_distance_does_not_depend_on_the_length(shape: tuple[int, ...]) -> None:
    distance = code_distance(code(1.0, shape), code(0.25, shape))
    assert distance.tolist() == pytest.approx([0.75, 0.75])


def test_distance_is_the_root_mean_square_of_each_image() -> None:
    first = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert code_distance(first, torch.zeros(2, 2)).tolist() == pytest.approx([12.5**0.5, 1e-6])


def test_distance_of_equal_codes_has_a_gradient() -> None:
    first = code(1.0).requires_grad_()
    code_distance(first, code(1.0)).sum().backward()
    assert bool(first.grad.isfinite().all())


def test_distance_is_not_broadcast() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        code_distance(code(1.0), code(1.0, (1, 3, 4, 4)))


def test_consistency_is_the_mean_distance() -> None:
    again = torch.stack([code(0.1, (5,)), code(0.3, (5,))])
    assert float(consistency_loss(again, code(0.0, (2, 5)))) == pytest.approx(0.2)


def test_contrastive_values() -> None:
    for apart, pull, push in [(0.2, 0.2, 0.4), (0.6, 0.6, 0.0), (2.0, 2.0, 0.0)]:
        codes = (code(apart), code(0.0))
        assert float(contrastive_loss(*codes, shared=True)) == pytest.approx(pull)
        assert float(contrastive_loss(*codes, shared=False)) == pytest.approx(push, abs=1e-9)
    assert MARGIN == 0.6


@pytest.mark.parametrize(("shared", "sign"), [(True, -1), (False, 1)])
def test_contrastive_pulls_shared_codes_and_pushes_others(*, shared: bool, sign: int) -> None:
    """One step of gradient descent moves the codes the right way."""
    first, second = code(0.1).requires_grad_(), code(-0.1).requires_grad_()
    contrastive_loss(first, second, shared=shared).backward()
    with torch.no_grad():
        moved = code_distance(first - 0.1 * first.grad, second - 0.1 * second.grad)
    assert bool((sign * (moved - 0.2) > 0).all())


def test_delay_of_the_thesis() -> None:
    values = [delay_weight(epoch, full_at=30) for epoch in (0, 20, 25, 30, 31)]
    assert values == pytest.approx([4.54e-5, 0.0357, 0.1889, 1.0, 1.0], rel=1e-3)


def test_delay_that_starts_late() -> None:
    values = [delay_weight(epoch, starts_at=30, full_at=60) for epoch in (0, 29.9, 30, 50, 60)]
    assert values == pytest.approx([0.0, 0.0, 4.54e-5, 0.0357, 1.0], rel=1e-3)


def test_no_delay() -> None:
    assert delay_weight(0, full_at=0) == 1.0
    assert delay_weight(4, starts_at=5, full_at=5) == 0.0


@pytest.mark.parametrize("times", [(-1.0, 30.0), (31.0, 30.0)])
def test_delay_cannot_end_before_it_begins(times: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="cannot grow"):
        delay_weight(0, starts_at=times[0], full_at=times[1])


def test_ml_vae_counts_identity_once_per_group() -> None:
    """Two groups of three: 3 images, 3 blur codes and 1 identity for each."""
    loss = ml_vae_loss(
        torch.tensor(0.5), torch.full((2,), 40.0), torch.full((6,), 10.0), pixels=100
    )
    assert float(loss) == pytest.approx(3 * 0.5 + 3 * 0.1 + 0.4)
    weighted = ml_vae_loss(
        torch.tensor(0.5),
        torch.full((2,), 40.0),
        torch.full((6,), 10.0),
        pixels=100,
        identity_weight=0.5,
        blur_weight=2.0,
    )
    assert float(weighted) == pytest.approx(1.5 + 0.6 + 0.2)
