"""From blur code to micrometres: planted codes are read back."""

import pytest
import torch
from torch import Tensor

from focusfix.errors import ModelError
from focusfix.models.distance_curve import DistanceCurve
from focusfix.models.manifold_line import ManifoldLineAutoencoder

LEVELS = torch.arange(-8.0, 9.0, 2.0)


def planted(noise: float = 0.0, per_level: int = 20) -> Tensor:
    """Signed distances, several images at each."""
    torch.manual_seed(0)
    return LEVELS.repeat(per_level) + noise * torch.randn(len(LEVELS) * per_level)


def fitted(codes: Tensor, dz_um: Tensor) -> tuple[DistanceCurve, int]:
    curve = DistanceCurve()
    sign = curve.fit(codes, dz_um)
    return curve, sign


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_signed_distances(direction: float) -> None:
    dz_um = planted()
    codes = direction * (0.1 * dz_um + 0.01 * dz_um**3)
    curve, sign = fitted(codes, dz_um)
    assert sign == direction
    assert bool(curve.signed)
    value, confidence = curve.read(sign * codes)
    torch.testing.assert_close(value, dz_um, atol=1e-3, rtol=0)
    assert float(confidence.min()) > 0.99


@pytest.mark.parametrize("direction", [1.0, -1.0])
def test_sides_that_look_alike(direction: float) -> None:
    dz_um = planted()
    codes = direction * dz_um.abs().sqrt() + 3
    curve, sign = fitted(codes, dz_um)
    assert (sign, bool(curve.signed)) == (direction, False)
    value, _ = curve.read(sign * codes)
    torch.testing.assert_close(value, dz_um.abs(), atol=1e-3, rtol=0)


def test_one_side_is_never_signed() -> None:
    dz_um = -planted().abs()
    curve, sign = fitted(dz_um, dz_um)
    assert (sign, bool(curve.signed)) == (-1, False)
    value, _ = curve.read(torch.tensor([5.0]))
    assert float(value) == pytest.approx(5.0)


def test_between_the_levels_it_is_straight() -> None:
    curve, _ = fitted(torch.tensor([0.0, 1.0, 5.0]), torch.tensor([0.0, 2.0, 4.0]))
    value, _ = curve.read(torch.tensor([0.5, 3.0]))
    assert value.tolist() == pytest.approx([1.0, 3.0])


def test_levels_out_of_order_are_pooled() -> None:
    """Isotonic regression: codes 2 and 1 at 2 and 4 um count as 1.5 at 3 um."""
    curve, _ = fitted(torch.tensor([0.0, 2.0, 1.0, 5.0]), torch.tensor([0.0, 2.0, 4.0, 6.0]))
    assert int(curve.knots) == 3
    assert curve.codes[:3].tolist() == pytest.approx([0.0, 1.5, 5.0])
    assert curve.distances_um[:3].tolist() == pytest.approx([0.0, 3.0, 6.0])


def test_monotone_whatever_the_noise() -> None:
    dz_um = planted()
    curve, _ = fitted(dz_um + 6 * torch.randn(len(dz_um)), dz_um)
    value, confidence = curve.read(torch.linspace(-30, 30, 500))
    assert bool((value.diff() >= 0).all())
    assert bool(((confidence >= 0) & (confidence <= 1)).all())


def test_confidence_follows_the_scatter() -> None:
    dz_um = planted(per_level=200)
    readings = []
    for noise in (0.1, 1.0, 3.0):
        curve, _ = fitted(dz_um + noise * torch.randn(len(dz_um)), dz_um)
        assert float(curve.prior_um) == pytest.approx(float(LEVELS.std(correction=0)))
        readings.append(float(curve.read(torch.zeros(1))[1]))
    assert readings[0] > 0.95
    assert readings[0] > readings[1] > readings[2]
    assert readings[1] == pytest.approx(1 - 1.0 / float(LEVELS.std(correction=0)), abs=0.1)


def test_codes_without_meaning_have_no_confidence() -> None:
    dz_um = planted(per_level=200)
    curve, _ = fitted(torch.randn(len(dz_um)), dz_um)
    assert float(curve.read(torch.zeros(1))[1]) < 0.1
    constant, _ = fitted(torch.zeros(len(dz_um)), dz_um)
    value, confidence = constant.read(torch.zeros(2))
    assert value.tolist() == pytest.approx([0, 0], abs=1e-3)
    assert confidence.tolist() == pytest.approx([0, 0], abs=1e-6)


def test_confidence_ends_beyond_the_training_levels() -> None:
    dz_um = planted()
    curve, _ = fitted(dz_um, dz_um)
    value, confidence = curve.read(torch.tensor([8.0, 10.0, 12.0, 50.0]))
    assert value.tolist() == [8.0] * 4
    assert confidence.tolist() == pytest.approx([1.0, 0.5, 0.0, 0.0], abs=1e-3)


def test_more_levels_than_knots() -> None:
    dz_um = torch.linspace(-5, 5, 1001)
    curve, _ = fitted(dz_um, dz_um)
    assert int(curve.knots) == 64
    value, _ = curve.read(dz_um)
    torch.testing.assert_close(value, dz_um.clamp(-4.93, 4.93), atol=0.02, rtol=0)


def test_refuses_what_makes_no_curve() -> None:
    with pytest.raises(ValueError, match="two distances"):
        DistanceCurve().fit(torch.rand(3), torch.full((3,), -4.0))
    with pytest.raises(ValueError, match=r"must be \(N,\)"):
        DistanceCurve().fit(torch.rand(3), torch.rand(4))


def test_network_reads_distances_with_the_sign_it_was_given() -> None:
    torch.manual_seed(0)
    network = ManifoldLineAutoencoder(widths=[3, 4]).eval()
    image = torch.rand(6, 1, 16, 16)
    with pytest.raises(ModelError, match="no table from blur codes to micrometres"):
        network.distance_um(image)
    with torch.no_grad():
        codes = network.encode(image)
        before = network.decode(*codes)
        network.set_focus_code(codes.blur[:1])
        dz_um = torch.empty(6)
        dz_um[codes.blur.flatten().argsort(descending=True)] = torch.arange(6.0)
        network.calibrate(codes.blur, dz_um)
        assert float(network.code_sign) == -1
        turned = network.encode(image)
        torch.testing.assert_close(turned.blur, -codes.blur)
        torch.testing.assert_close(network.focus_code, turned.blur[0])
        torch.testing.assert_close(network.decode(*turned), before)
        reading = network.distance_um(image)
    torch.testing.assert_close(reading.value_um, dz_um, atol=1e-4, rtol=0)
    assert reading.confidence.shape == (6,)
    again = ManifoldLineAutoencoder(widths=[3, 4]).eval()
    again.load_state_dict(network.state_dict())
    assert torch.equal(again.distance_um(image).value_um, reading.value_um)
