from dataclasses import replace

import pytest
import torch

from focusfix.errors import ModelError
from focusfix.models.base import Restorer
from focusfix.models.registry import build_network, get_entry, list_entries
from focusfix.training.fit import Batch, FitSettings, Trainer
from focusfix.training.recipes import Recipe, build_objective, edge_px, find_recipe


class Echo(Restorer):
    """Returns its input at three sizes."""

    hyperparameters = {}  # noqa: RUF012 - never changed
    footprint = None

    def forward(self, image):
        return image

    def training_outputs(self, image):
        half = torch.nn.functional.avg_pool2d(image, 2)
        return [image, half, torch.nn.functional.avg_pool2d(half, 2)]


@pytest.mark.parametrize(("crop", "edge"), [(128, 16), (160, 16), (96, 8), (64, 8), (32, 0)])
def test_edge(crop, edge):
    assert edge_px(crop) == edge


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        (Recipe("l1", coarse_weight=1.0), 3 * 0.5),
        (Recipe("mse", coarse_weight=0.5), 0.25 * 1.75),
        (Recipe("tempered-error", coarse_weight=0.4), (0.25 + 1e-6) ** 0.25 * 1.56),
    ],
)
def test_losses_of_a_constant_error(recipe, expected):
    objective = build_objective(recipe, crop_px=64)
    zeros = torch.zeros((2, 1, 64, 64))
    assert float(objective(Echo(), Batch(zeros, zeros + 0.5))) == pytest.approx(expected)


def test_the_border_does_not_count():
    objective = build_objective(Recipe("mse", coarse_weight=1.0), crop_px=64)
    target = torch.ones((1, 1, 64, 64))
    target[..., 8:-8, 8:-8] = 0
    assert float(objective(Echo(), Batch(torch.zeros_like(target), target))) == 0


@pytest.mark.parametrize("entry", list_entries(), ids=lambda entry: entry.name)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_network_learns(entry, precision):
    torch.manual_seed(0)
    network = build_network(entry.name, entry.tiny)
    objective = build_objective(find_recipe(entry), crop_px=32, precision=precision)
    trainer = Trainer(network, objective, FitSettings(steps=30, warmup_steps=0))
    sharp = torch.rand((2, 1, 32, 32), generator=torch.Generator().manual_seed(1))
    batch = Batch(torch.nn.functional.avg_pool2d(sharp, 3, 1, 1), sharp)
    losses = [trainer.learn(batch) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_networks_without_a_recipe():
    entry = get_entry("multilevel-unet")
    with pytest.raises(ModelError, match="cannot be trained"):
        find_recipe(replace(entry, objective="adversarial"))
    with pytest.raises(ModelError, match="cannot be trained"):
        find_recipe(replace(entry, abilities=frozenset({"interpolate"})))
