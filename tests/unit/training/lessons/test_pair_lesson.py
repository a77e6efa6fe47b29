from dataclasses import replace

import pytest
import torch

from focusfix.errors import ModelError, UsageError
from focusfix.models.base import Restorer
from focusfix.models.registry import build_network, get_entry, list_entries
from focusfix.training.fit import Batch, FitSettings, Trainer
from focusfix.training.lesson import Arithmetic, LessonContext
from focusfix.training.lessons.pairs import PairLesson, build_pair_lesson
from focusfix.training.lessons.table import check_lesson, find_lesson
from focusfix.training.margin import edge_px


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
    ("lesson", "expected"),
    [
        (PairLesson("l1", 1.0, 64), 3 * 0.5),
        (PairLesson("mse", 0.5, 64), 0.25 * 1.75),
        (PairLesson("tempered-error", 0.4, 64), (0.25 + 1e-6) ** 0.25 * 1.56),
    ],
)
def test_losses_of_a_constant_error(lesson, expected):
    zeros = torch.zeros((2, 1, 64, 64))
    losses = lesson.losses(Echo(), Batch(zeros, zeros + 0.5), 0)
    assert {name: float(value) for name, value in losses.items()} == {
        "loss": pytest.approx(expected)
    }


def test_the_border_does_not_count():
    lesson = PairLesson("mse", 1.0, 64)
    target = torch.ones((1, 1, 64, 64))
    target[..., 8:-8, 8:-8] = 0
    assert float(lesson.losses(Echo(), Batch(torch.zeros_like(target), target), 0)["loss"]) == 0


PAIR_ENTRIES = [entry for entry in list_entries() if find_lesson(entry).build is build_pair_lesson]


@pytest.mark.parametrize("entry", PAIR_ENTRIES, ids=lambda entry: entry.name)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_network_learns(entry, precision):
    torch.manual_seed(0)
    network = build_network(entry.name, entry.tiny)
    row = find_lesson(entry)
    arithmetic = Arithmetic("cpu", precision)
    lesson = row.build(LessonContext(entry.objective, row.losses[0], 32, arithmetic=arithmetic))
    settings = FitSettings(steps=30, warmup_steps=0)
    trainer = Trainer(network, lambda *given: lesson.losses(*given, 0), settings)
    sharp = torch.rand((2, 1, 32, 32), generator=torch.Generator().manual_seed(1))
    batch = Batch(torch.nn.functional.avg_pool2d(sharp, 3, 1, 1), sharp)
    losses = [trainer.learn(batch) for _ in range(8)]
    assert losses[-1] < losses[0]


def test_networks_without_a_lesson():
    entry = get_entry("multilevel-unet")
    with pytest.raises(ModelError, match="cannot be trained"):
        find_lesson(replace(entry, objective="unheard-of"))


@pytest.mark.parametrize(
    ("loss", "options", "message"),
    [
        ("ssim", {}, "--loss ssim has no meaning for multilevel-unet.*l1, mse"),
        ("l1", {"triplets": "full"}, "--triplets has no meaning for multilevel-unet.*Leave it"),
    ],
)
def test_wishes_that_a_lesson_does_not_know(loss, options, message):
    with pytest.raises(UsageError, match=message):
        check_lesson(get_entry("multilevel-unet"), loss, options)
