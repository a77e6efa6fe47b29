import pytest
import torch
from torch import Tensor

from focusfix.latent.line import interpolate_latents
from focusfix.losses import (
    Triplet,
    baseline_loss,
    direct_loss,
    indirect_loss,
    l1_loss,
    latent_line_loss,
    mse_loss,
    scale_free_line_loss,
)

CRITERIA = [l1_loss, mse_loss]


def image(value: float) -> Tensor:
    return torch.full((2, 1, 4, 4), value)


# Errors: 0.2 of the sharper, 0.5 of the one between, 0.4 of the blurrier image.
TRUE = Triplet(image(0.5), image(0.25), image(0.0))
MADE = Triplet(image(0.7), image(0.75), image(0.4))


def codes_of(seed: int = 0) -> Triplet:
    generator = torch.Generator().manual_seed(seed)
    return Triplet(*torch.randn(3, 2, 8, 3, 3, dtype=torch.float64, generator=generator))


def ends(triplet: Triplet) -> tuple[Tensor, Tensor]:
    return triplet.sharper, triplet.blurrier


def on_the_line(codes: Triplet) -> Tensor:
    return interpolate_latents(codes.sharper, codes.blurrier, alpha=0.5)


def test_baseline_averages_the_two_ends() -> None:
    assert float(baseline_loss(ends(MADE), ends(TRUE))) == pytest.approx(0.3)
    squared = baseline_loss(ends(MADE), ends(TRUE), criterion=mse_loss)
    assert float(squared) == pytest.approx((0.04 + 0.16) / 2)


def test_indirect_adds_the_image_between() -> None:
    assert float(indirect_loss(MADE, TRUE)) == pytest.approx(0.3 + 0.5)
    squared = indirect_loss(MADE, TRUE, criterion=mse_loss)
    assert float(squared) == pytest.approx(0.1 + 0.25)


def test_direct_adds_the_mean_over_the_code() -> None:
    codes = Triplet(*(torch.full((2, 8, 3, 3), value) for value in (3.0, 1.5, 1.0)))
    assert float(direct_loss(MADE, TRUE, codes, on_the_line(codes))) == pytest.approx(0.8 + 0.5)
    squared = direct_loss(MADE, TRUE, codes, on_the_line(codes), criterion=mse_loss)
    assert float(squared) == pytest.approx(0.35 + 0.25)


def test_direct_in_units_of_the_way() -> None:
    codes = Triplet(*(torch.full((2, 8, 3, 3), value) for value in (3.0, 1.5, 1.0)))
    loss = direct_loss(MADE, TRUE, codes, on_the_line(codes), scale_free=True)
    assert float(loss) == pytest.approx(0.8 + 0.5 / 2)
    loss = direct_loss(MADE, TRUE, codes, on_the_line(codes), criterion=mse_loss, scale_free=True)
    assert float(loss) == pytest.approx(0.35 + 0.25 / 4)


@pytest.mark.parametrize("criterion", CRITERIA)
def test_codes_on_the_line_cost_nothing(criterion: object) -> None:
    codes = codes_of()
    codes = codes._replace(between=on_the_line(codes))
    assert float(latent_line_loss(codes.between, on_the_line(codes), criterion=criterion)) == 0
    assert float(scale_free_line_loss(codes, on_the_line(codes), criterion=criterion)) == 0


@pytest.mark.parametrize("criterion", CRITERIA)
def test_scale_free_term_and_its_gradient_do_not_see_the_scale(criterion: object) -> None:
    """Shrinking the codes is a way downhill for the plain term, and none for the other one."""
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    codes = Triplet(*(scale * code for code in codes_of()))
    free = scale_free_line_loss(codes, on_the_line(codes), criterion=criterion)
    plain = latent_line_loss(codes.between, on_the_line(codes), criterion=criterion)
    small = Triplet(*(1e-3 * code for code in codes_of()))
    again = scale_free_line_loss(small, on_the_line(small), criterion=criterion)
    torch.testing.assert_close(again, free)
    (slope,) = torch.autograd.grad(free, scale, retain_graph=True)
    assert abs(float(slope)) < 1e-12
    (slope,) = torch.autograd.grad(plain, scale)
    assert float(slope) > 0.99 * float(plain.detach()) > 0.1


def test_scale_free_term_of_coinciding_ends_is_finite() -> None:
    code = torch.ones(1, 4, 2, 2, requires_grad=True)
    loss = scale_free_line_loss(Triplet(code, code, code), code)
    loss.backward()
    assert float(loss.detach()) == 0
    assert bool(code.grad.isfinite().all())


def test_gradients_reach_code_and_line() -> None:
    codes = Triplet(*(code.requires_grad_() for code in codes_of()))
    latent_line_loss(codes.between, on_the_line(codes)).backward()
    assert all(bool(code.grad.abs().gt(0).all()) for code in codes)


def test_shapes_are_not_broadcast() -> None:
    codes = codes_of()
    narrow = image(0.5)[..., :1]
    with pytest.raises(ValueError, match="differ in shape"):
        baseline_loss((narrow, image(0)), (image(0), image(0)))
    with pytest.raises(ValueError, match="differ in shape"):
        indirect_loss(MADE._replace(between=narrow), TRUE)
    with pytest.raises(ValueError, match="differ in shape"):
        direct_loss(MADE, TRUE, codes, on_the_line(codes)[:1])
    with pytest.raises(ValueError, match="differ in shape"):
        scale_free_line_loss(codes._replace(blurrier=codes.blurrier[:1]), codes.between)
