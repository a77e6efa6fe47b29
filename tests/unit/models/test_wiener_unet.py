import pytest
import torch

from focusfix.models.wiener_unet import WienerUNet

SMALL = {"widths": (4, 6), "rank": 2, "hidden": 6, "window_px": 12, "support_px": 6}


def test_an_untrained_network_returns_its_input() -> None:
    image = torch.rand(2, 1, 32, 48)
    with torch.inference_mode():
        torch.testing.assert_close(WienerUNet(**SMALL)(image), image, rtol=0, atol=1e-5)


def test_gradient_descent_leaves_the_filters_alone() -> None:
    network = WienerUNet(**SMALL)
    network(torch.rand(1, 1, 16, 16)).square().mean().backward()
    assert all(parameter.grad is None for parameter in network.filters.parameters())
    assert network.finish.leave.weight.grad is not None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"widths": ()}, "1 to 4 levels"),
        ({"widths": (4, 0)}, "widths"),
        ({"window_px": 18}, "multiple of 12"),
        ({"rank": 0}, "rank"),
        ({"support_px": 0}, "support_px"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(changed: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        WienerUNet(**{**SMALL, **changed})


def test_sizes_off_the_grid_are_refused() -> None:
    with pytest.raises(ValueError, match="multiples of 4"):
        WienerUNet(**SMALL)(torch.zeros(1, 1, 16, 18))
