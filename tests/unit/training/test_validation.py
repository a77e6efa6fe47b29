import math

import numpy as np
import pytest
import torch

from focusfix.metrics.fidelity import psnr
from focusfix.models.base import Restorer
from focusfix.training.lesson import Shown
from focusfix.training.lessons.pairs import PairLesson
from focusfix.training.log import ValidationScore
from focusfix.training.validation import (
    Validation,
    ValidationResult,
    preview_rows,
    psnr_db,
)


class Half(Restorer):
    """Halves its input."""

    hyperparameters = {}  # noqa: RUF012 - never changed
    footprint = None

    def forward(self, image):
        return image / 2


def test_psnr_is_that_of_the_metrics():
    rng = np.random.default_rng(0)
    image, target = rng.random((2, 1, 1, 32, 32)).astype(np.float32)
    found = psnr_db(torch.from_numpy(image), torch.from_numpy(target))
    assert float(found) == pytest.approx(psnr(image, target, data_range=1.0), abs=1e-4)


def test_psnr_clips_and_leaves_the_border_out():
    target = torch.full((1, 1, 64, 64), 1.5)
    image = torch.full((1, 1, 64, 64), 9.0)
    image[..., :8, :] = 0
    assert float(psnr_db(image, target)) == pytest.approx(100.0)


def test_score_against_doing_nothing(drawn_data):
    lesson = PairLesson("l1", 1.0, 32)
    validation = Validation(lesson, drawn_data().validation, 5)
    result = validation.score(Half(), batch_size=2)
    inputs, targets = validation.batch
    assert torch.equal(result.shown.restored, inputs / 2)
    expected = psnr_db(inputs / 2, targets).mean(), psnr_db(inputs, targets).mean()
    assert result.score[:2] == pytest.approx([float(value) for value in expected], rel=1e-6)
    assert result.score.gain_db == pytest.approx(float(expected[0] - expected[1]), abs=1e-5)
    again = Validation(lesson, drawn_data().validation, 5)
    assert torch.equal(again.batch.inputs, inputs)


def test_preview_shows_what_is_scored():
    restored = torch.full((3, 1, 64, 64), 0.5)
    restored[..., :8, :] = 9
    score = ValidationScore(6.0, 0.0)
    shown = Shown(torch.zeros((3, 1, 64, 64)), restored, torch.ones((3, 1, 64, 64)))
    result = ValidationResult(score, shown, torch.full((3,), 6.0), torch.zeros(3))
    rows = preview_rows(result, 2)
    assert [(row.input_psnr_db, row.psnr_db) for row in rows] == [(0.0, 6.0)] * 2
    assert rows[0].restored.shape == rows[0].in_focus.shape == (48, 48)
    assert rows[0].restored.max() == 0.5


def test_gain():
    assert math.isclose(ValidationScore(31.5, 30.0).gain_db, 1.5)
