import pytest
import torch
from torch import nn

from focusfix.models.bound_two_way import Reversed
from focusfix.models.comi import Comi, WholeSampleNorm
from focusfix.models.comi_critic import LEAST_CROP_PX, ComiCritic, ComiCritics


def build(**changes: object) -> Comi:
    """Build a small network whose last layers are not zero."""
    torch.manual_seed(0)
    network = Comi(**{"base_width": 3, "blocks": 1, **changes})
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.1)
    return network.eval()


def test_an_untrained_network_returns_its_input() -> None:
    image = torch.rand(2, 1, 16, 24)
    network = Comi(base_width=2, blocks=1)
    assert torch.equal(network(image), image)
    assert torch.equal(network.blur_image(image), image)


@pytest.mark.parametrize("norm", ["per-channel", "whole-sample"])
def test_two_networks_of_one_shape(norm: str) -> None:
    network, image = build(norm=norm), torch.rand(2, 1, 16, 24)
    deblurred, blurred = network(image), network.blur_image(image)
    assert deblurred.shape == blurred.shape == image.shape
    assert not torch.allclose(deblurred, blurred)
    assert torch.equal(Reversed(network)(image), blurred)
    assert Reversed(network).footprint == network.footprint
    assert float((deblurred - image).detach().abs().max()) <= 0.5


def test_whole_sample_norm_is_of_all_channels_together() -> None:
    features = torch.rand(3, 4, 5, 6) * torch.tensor([1.0, 2, 3, 4])[:, None, None] + 7
    norm = WholeSampleNorm()
    with torch.no_grad():
        norm.gain.fill_(2)
        norm.offset.fill_(1)
    mean, variance = features.mean((1, 2, 3), True), features.var((1, 2, 3), False, keepdim=True)
    torch.testing.assert_close(norm(features), 2 * (features - mean) / variance.sqrt() + 1)


def test_brightness_and_contrast_of_features_do_not_matter() -> None:
    """What instance normalisation is for: the change is that of the image on any scale."""
    network, image = build(), torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        network.deblurring.features[0].padding = (0, 0)  # zeros at the border have no scale
        network.deblurring.features[0].bias.zero_()
        changes = [
            network.deblurring.features(2 * (scale * image + 0.5 * (1 - scale)) - 1)
            for scale in (1.0, 0.5)
        ]
    torch.testing.assert_close(changes[0], changes[1], rtol=1e-3, atol=1e-3)


def reach_without_statistics(network: Comi, image: torch.Tensor, row: int) -> tuple[int, int]:
    """Replace every normalisation, and return how far a row sees before and after itself."""
    for block in network.modules():
        for name, child in block.named_children():
            if isinstance(child, nn.GroupNorm | nn.ReLU):
                setattr(block, name, nn.Identity())
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.uniform_(0.001, 0.002)
    network.double()
    image = image.double().requires_grad_()
    network(image)[..., row, :].sum().backward()
    rows = image.grad.abs().amax(dim=(0, 1, 3)).nonzero().flatten()
    return row - int(rows[0]), int(rows[-1]) - row


def test_reach_apart_from_statistics() -> None:
    network = build(blocks=2)
    footprint = network.footprint
    assert not footprint.exact
    reaches = [
        max(reach_without_statistics(build(blocks=2), torch.rand(1, 1, 128, 4), row))
        for row in range(64, 64 + footprint.stride_px)
    ]
    assert max(reaches) == footprint.reach_px


def test_statistics_are_of_the_whole_image() -> None:
    network = build(blocks=1)
    image = torch.rand(1, 1, 128, 8, requires_grad=True)
    network(image)[..., 0, :].sum().backward()
    assert bool((image.grad != 0).all())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_width": 0}, "base_width must be a whole number from 1 to 256, got 0"),
        ({"blocks": 33}, "blocks must be"),
        ({"channels": True}, "channels must be"),
        ({"norm": "batch"}, "norm must be one of per-channel, whole-sample, got 'batch'"),
    ],
)
def test_hyperparameters_are_checked(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Comi(**changes)


def test_sizes_are_checked_both_ways() -> None:
    network = build()
    for way in (network, network.blur_image):
        with pytest.raises(ValueError, match="multiples of 4"):
            way(torch.rand(1, 1, 16, 18))
        with pytest.raises(ValueError, match=r"expected shape \(N, 1, Y, X\)"):
            way(torch.rand(1, 2, 16, 16))


def test_critics_judge_patches() -> None:
    torch.manual_seed(0)
    critic = ComiCritic(base_width=2)
    assert critic(torch.rand(2, 1, 512, 512)).shape == (2, 1, 32, 32)
    judged = critic(torch.rand(1, 1, LEAST_CROP_PX, LEAST_CROP_PX))
    assert judged.shape == (1, 1, 2, 2)
    assert 0 < float(judged.detach().min()) <= float(judged.detach().max()) < 1


def test_each_critic_has_its_own_kind_of_image() -> None:
    torch.manual_seed(0)
    critics = ComiCritics(base_width=2).eval()
    images = torch.rand(1, 1, 32, 32)
    of_sharp, of_blurry = critics(images, images)
    assert torch.equal(of_sharp, critics.sharp(images))
    assert torch.equal(of_blurry, critics.blurry(images))
    assert not torch.equal(of_sharp, of_blurry)
    with pytest.raises(ValueError, match="base_width"):
        ComiCritic(base_width=0)
