import pytest
import torch
from torch.distributions import Normal, kl_divergence

from focusfix.latent.gaussian import (
    Gaussian,
    draw_normals,
    kl_to_standard_normal,
    multiply_normals,
)


def members(seed: int = 0) -> Gaussian:
    generator = torch.Generator().manual_seed(seed)
    mean, log_variance = torch.randn(2, 3, 5, 4, 2, 2, dtype=torch.float64, generator=generator)
    return Gaussian(mean, 2 * log_variance)


def test_product_of_three_known_normals() -> None:
    known = Gaussian(torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([[0.0, -1.0, 1.0]]))
    mean, log_variance = multiply_normals(known)
    assert float(mean) == pytest.approx(1.420513, abs=1e-6)
    assert float(log_variance.exp()) == pytest.approx(0.244728, abs=1e-6)


def test_product_is_the_product_of_the_densities() -> None:
    """On a line, the product of the members' densities has the moments that are returned."""
    mean, log_variance = torch.tensor([[-0.5, 0.7]]), torch.tensor([[0.3, -0.9]])
    line = torch.linspace(-12, 12, 20001, dtype=torch.float64)
    density = torch.ones_like(line)
    for k in range(2):
        density *= Normal(mean[0, k], (log_variance[0, k] / 2).exp()).log_prob(line).exp()
    density /= density.sum()
    centre = (density * line).sum()
    together = multiply_normals(Gaussian(mean, log_variance))
    assert float(together.mean) == pytest.approx(float(centre), abs=1e-6)
    variance = (density * (line - centre).square()).sum()
    assert float(together.log_variance.exp()) == pytest.approx(float(variance), abs=1e-6)


def test_a_group_of_one_is_its_member() -> None:
    alone = Gaussian(*(part[:, :1] for part in members()))
    torch.testing.assert_close(multiply_normals(alone), Gaussian(*(part[:, 0] for part in alone)))


def test_more_members_never_widen() -> None:
    every = members()
    widths = [
        multiply_normals(Gaussian(*(part[:, :count] for part in every))).log_variance
        for count in (1, 2, 5)
    ]
    assert bool((widths[1] < widths[0]).all())
    assert bool((widths[2] < widths[1]).all())


def test_extreme_variances_do_not_overflow() -> None:
    wide = Gaussian(torch.tensor([[3.0, 7.0]]), torch.tensor([[200.0, -200.0]]))
    together = multiply_normals(wide)
    assert float(together.mean) == 7.0
    assert float(together.log_variance) == -200.0


def test_gradient_reaches_every_member() -> None:
    mean, log_variance = (part.requires_grad_() for part in members())
    together = multiply_normals(Gaussian(mean, log_variance))
    (together.mean.square().sum() + together.log_variance.sum()).backward()
    for part in (mean, log_variance):
        assert bool((part.grad.flatten(2).abs().sum(dim=2) > 0).all())


def test_kl_equals_that_of_torch() -> None:
    mean, log_variance = (part[0] for part in members())
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0))
    found = kl_to_standard_normal(Gaussian(mean, log_variance))
    torch.testing.assert_close(found, expected.flatten(1).sum(dim=1))
    assert float(kl_to_standard_normal(Gaussian(torch.zeros(1, 9), torch.zeros(1, 9)))) == 0


def test_drawn_codes_have_the_moments() -> None:
    noise = torch.randn(40_000, 2, generator=torch.Generator().manual_seed(0))
    drawn = draw_normals(Gaussian(torch.tensor([2.0, -1.0]), torch.tensor([1.0, -2.0])), noise)
    assert drawn.mean(dim=0).tolist() == pytest.approx([2.0, -1.0], abs=0.03)
    assert drawn.var(dim=0).tolist() == pytest.approx([2.718, 0.1353], rel=0.03)
    assert torch.equal(draw_normals(Gaussian(noise, noise), torch.zeros(2)), noise)


@pytest.mark.parametrize("shape", [(3,), (3, 0)])
def test_refuses_groups_without_members(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(G, K, \.\.\.\)"):
        multiply_normals(Gaussian(torch.zeros(shape), torch.zeros(shape)))
    with pytest.raises(ValueError, match=r"shape \(G, K, \.\.\.\)"):
        multiply_normals(Gaussian(torch.zeros(2, 2), torch.zeros(2, 1)))
