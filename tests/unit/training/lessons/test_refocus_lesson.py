import numpy as np
import pytest
import torch

from focusfix.data.samples import CropGroup
from focusfix.errors import InputError
from focusfix.models.refocuser import Refocuser
from focusfix.models.registry import build_network, get_entry
from focusfix.training.fit import FitSettings, Trainer
from focusfix.training.lesson import LessonContext
from focusfix.training.lessons.refocus import RefocusLesson, build_refocus_lesson


class Levels:
    """Images of one grey value, their height; the number of a group is its lowest height."""

    def __init__(self, step_um: float = 3.0) -> None:
        self.step_um = step_um

    def group(self, index: int, *, size: int) -> CropGroup:
        levels = np.arange(size, dtype=np.float32) + index
        images = levels[:, None, None] * np.ones((1, 16, 16), np.float32)
        return CropGroup(images, 0 * images[0], levels, levels * np.float32(self.step_um))


class Echo(Refocuser):
    """Returns the first plane, brighter by the distance."""

    hyperparameters = {}  # noqa: RUF012 - never changed
    footprint = None

    def refocus(self, image, dz_um):
        return image[:, :1] + dz_um[:, :1, None, None] / 3


def build(objective: str = "refocus", **options: object) -> RefocusLesson:
    return build_refocus_lesson(LessonContext(objective, "l1", 16, options=options))


def test_distances_lead_from_the_recorded_plane_to_the_wanted_one() -> None:
    batch = build(focus_share=0).batch(Levels(), 4, 2)
    assert batch.images.shape == (2, 1, 16, 16)
    assert batch.dz_um.tolist() == [[-3.0], [-3.0]]
    assert (batch.images - batch.target).unique().tolist() == [1.0]


def test_one_two_and_three_planes_in_turn() -> None:
    lesson = build("refocus-multi")
    shapes = [lesson.batch(Levels(), first, 2).images.shape[1] for first in (0, 2, 4, 6)]
    assert shapes == [1, 2, 3, 1]


def test_a_share_of_the_samples_wants_focus() -> None:
    batch = build(focus_share=0.5).batch(Levels(), 2, 4)
    assert batch.target.amax(dim=(1, 2, 3)).tolist() == [2.0, 0.0, 4.0, 0.0]
    assert batch.dz_um.flatten().tolist() == [-3.0, -9.0, -3.0, -15.0]


def test_distances_from_focus_have_one_side() -> None:
    """What lies below focus is shown to such networks as if it lay above."""
    lesson = build(focus_share=1)
    above, below = (lesson.batch(Levels(step_um), 2, 2) for step_um in (3.0, -3.0))
    assert below.side.tolist() == [-1.0, -1.0]
    echo = Echo()
    echo.sign = "focus"
    shown = [lesson.restore(echo, batch).restored for batch in (above, below)]
    assert torch.equal(*shown)
    assert not torch.equal(*(lesson.restore(Echo(), batch).restored for batch in (above, below)))


def test_validation_is_deblurring() -> None:
    lesson = build()
    batch = lesson.validation_batch(Levels(), 3)
    assert batch.dz_um.flatten().tolist() == [0.0, -3.0, -6.0]
    assert batch.target.unique().tolist() == [0.0]
    shown = lesson.restore(Echo(), batch)
    assert torch.equal(shown.restored, shown.targets)
    assert torch.equal(shown.inputs, batch.images)


def test_several_planes_are_validated_together_and_against_the_nearest() -> None:
    lesson = build("refocus-multi")
    batch = lesson.validation_batch(Levels(step_um=-3.0), 2)
    assert batch.dz_um.tolist() == [[0.0, 3.0, 6.0], [3.0, 6.0, 9.0]]
    shown = lesson.restore(Echo(), batch)
    assert torch.equal(shown.inputs, batch.images[:, :1])


def test_loss_is_the_error_and_the_opinion() -> None:
    plain = build(adversarial_weight=0, focus_share=0)
    assert plain.adversary is None
    batch = plain.batch(Levels(), 0, 2)
    wrong = batch._replace(dz_um=batch.dz_um + 1.5)
    terms = plain.losses(Echo(), wrong, 0)
    assert {name: float(value) for name, value in terms.items()} == {"loss": 0.5, "image": 0.5}
    judged = build(adversarial_weight=0.5, critic_width=1, focus_share=0)
    terms = {name: float(value.detach()) for name, value in judged.losses(Echo(), wrong, 0).items()}
    assert terms["loss"] == pytest.approx(0.5 + 0.5 * terms["adversarial"])
    assert terms["adversarial"] > 0


def test_the_critic_learns_and_says_how_often_it_is_right() -> None:
    torch.manual_seed(0)
    lesson = build(critic_width=2)
    network = build_network("refocus", get_entry("refocus").tiny)
    trainer = Trainer(
        network,
        lambda judged, batch: lesson.losses(judged, batch, 0),
        FitSettings(steps=3, learning_rate=1e-2),
        lesson.adversary,
    )
    before = [parameter.clone() for parameter in lesson.adversary.network.parameters()]
    for step in range(2):
        trainer.learn(lesson.batch(Levels(), 2 * step, 2))
    after = lesson.adversary.network.parameters()
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))
    assert {"image", "adversarial", "adversary_loss", "critic_accuracy"} <= set(trainer.terms)
    assert 0 <= trainer.terms["critic_accuracy"] <= 1
    assert all(sign.column in trainer.terms for sign in lesson.signs)


def test_unknown_heights_are_an_error() -> None:
    with pytest.raises(InputError, match="planes at known heights"):
        build().batch(Levels(step_um=float("nan")), 0, 2)
