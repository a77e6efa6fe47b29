"""Sizes of the latent-line autoencoder, counted by hand from its layers; computed on no data."""

import pytest
import torch
from torch import nn

from focusfix.models.linear_autoencoder import LinearAutoencoder


@pytest.fixture(scope="module")
def network() -> LinearAutoencoder:
    with torch.device("meta"):
        return LinearAutoencoder().eval()


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def layer(before: int, after: int) -> int:
    """3 x 3 weights and a bias for each channel, and two numbers of its batch norm."""
    return 9 * before * after + after + 2 * after


def test_parameters(network: LinearAutoencoder) -> None:
    assert count(network.encoder) == 6_273_408
    assert count(network.decoder) == 6_307_393
    assert count(network) == 12_580_801


def test_parameters_from_the_layers(network: LinearAutoencoder) -> None:
    down = [(1, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    up = [(1024, 512), (512, 256), (256, 128), (128, 64), (64, 64)]
    assert count(network.encoder) == sum(layer(*pair) for pair in down)
    assert count(network.decoder) == sum(layer(*pair) for pair in up) + 9 * 64 + 1


@pytest.mark.parametrize(
    ("size", "cells"), [((128, 128), (4, 4)), ((512, 704), (16, 22)), ((544, 704), (17, 22))]
)
def test_sizes(network: LinearAutoencoder, size: tuple[int, int], cells: tuple[int, int]) -> None:
    code = network.encode(torch.empty(1, 1, *size, device="meta"))
    assert code.shape == (1, 1024, *cells)
    assert network.decode(code).shape == (1, 1, *size)


def test_sizes_of_every_stage(network: LinearAutoencoder) -> None:
    features = torch.empty(1, 1, 128, 128, device="meta")
    shapes = []
    for stage in [*network.encoder, *network.decoder]:
        features = stage(features)
        shapes.append(tuple(features.shape[1:]))
    assert shapes == [
        (64, 64, 64),
        (128, 32, 32),
        (256, 16, 16),
        (512, 8, 8),
        (1024, 4, 4),
        (512, 8, 8),
        (256, 16, 16),
        (128, 32, 32),
        (64, 64, 64),
        (64, 128, 128),
        (1, 128, 128),
        (1, 128, 128),  # after the sigmoid
    ]


def test_code_of_a_training_crop_has_as_many_numbers_as_the_crop(
    network: LinearAutoencoder,
) -> None:
    code = network.encode(torch.empty(1, 1, 128, 128, device="meta"))
    assert code.numel() == 128 * 128 == 16_384


def test_five_transposed_convolutions_and_a_plain_one(network: LinearAutoencoder) -> None:
    layers = [type(module) for module in network.decoder.modules()]
    assert layers.count(nn.ConvTranspose2d) == 5
    assert sum(issubclass(kind, nn.Conv2d) for kind in layers) == 1
    slopes = {m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU)}
    assert slopes == {0.01}
