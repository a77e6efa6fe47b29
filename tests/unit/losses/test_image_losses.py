import math

import pytest
import torch

from focusfix.losses import l1_loss, mse_loss, multi_scale_loss, tempered_error_loss

PREDICTION = torch.tensor([[[[0.0, 2.0], [0.0, 2.0]]]])
TARGET = torch.tensor([[[[1.0, 1.0], [0.0, 0.0]]]])


def test_l1() -> None:
    assert float(l1_loss(PREDICTION, TARGET)) == 1.0


def test_mse() -> None:
    assert float(mse_loss(PREDICTION, TARGET)) == 1.5


def test_multi_scale_adds_the_levels() -> None:
    # Level 1: mean |error| = 1. Level 2: target mean 0.5 against 0.25. Both count alike.
    coarse = torch.full((1, 1, 1, 1), 0.25)
    assert float(multi_scale_loss([PREDICTION, coarse], TARGET)) == pytest.approx(1.25)
    squared = multi_scale_loss([PREDICTION, coarse], TARGET, criterion=mse_loss)
    assert float(squared) == pytest.approx(1.5 + 0.0625)


def test_multi_scale_of_one_level_is_the_loss() -> None:
    assert multi_scale_loss([PREDICTION], TARGET) == l1_loss(PREDICTION, TARGET)


def test_multi_scale_of_a_pyramid_of_the_target_is_zero() -> None:
    target = torch.rand(2, 1, 8, 8)
    pyramid = [target, torch.nn.functional.avg_pool2d(target, 2)]
    pyramid.append(torch.nn.functional.avg_pool2d(pyramid[1], 2))
    assert float(multi_scale_loss(pyramid, target)) == 0.0


def test_gradient_reaches_every_level() -> None:
    fine = PREDICTION.clone().requires_grad_()
    coarse = torch.zeros(1, 1, 1, 1, requires_grad=True)
    multi_scale_loss([fine, coarse], TARGET).backward()
    assert torch.equal(fine.grad, torch.tensor([[[[-0.25, 0.25], [0.0, 0.25]]]]))
    assert math.isclose(float(coarse.grad), -1.0)


@pytest.mark.parametrize("loss", [l1_loss, mse_loss, tempered_error_loss])
def test_shapes_are_not_broadcast(loss: object) -> None:
    with pytest.raises(ValueError, match="differ in shape"):
        loss(PREDICTION, TARGET[..., :1])


def test_multi_scale_refuses_wrong_levels() -> None:
    with pytest.raises(ValueError, match="at least one"):
        multi_scale_loss([], TARGET)
    with pytest.raises(ValueError, match="differ in shape"):
        multi_scale_loss([PREDICTION, PREDICTION], TARGET)


def test_tempered_error_is_the_mean_of_fourth_roots() -> None:
    prediction = torch.zeros(2, 1, 4, 4)
    prediction[0], prediction[1] = 0.1, 0.4
    expected = (0.01**0.25 + 0.16**0.25) / 2
    loss = tempered_error_loss(prediction, torch.zeros_like(prediction), floor=1e-12)
    torch.testing.assert_close(float(loss), expected, rtol=1e-5, atol=0)


def test_tempered_error_of_equal_images_is_that_of_the_floor() -> None:
    image = torch.rand(1, 1, 4, 4)
    torch.testing.assert_close(float(tempered_error_loss(image, image, floor=1e-4)), 0.1)
