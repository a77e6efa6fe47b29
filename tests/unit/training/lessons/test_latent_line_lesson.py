"""Triplets in, the terms of the three objectives out."""

import pytest
import torch

from focusfix.errors import UsageError
from focusfix.latent.line import extrapolate_latents, interpolate_latents
from focusfix.losses import Triplet, baseline_loss, direct_loss, indirect_loss, l1_loss, mse_loss
from focusfix.models.line_model import LatentLineModel
from focusfix.models.registry import build_network, get_entry
from focusfix.training.fit import FitSettings, Trainer
from focusfix.training.lesson import Arithmetic, LessonContext
from focusfix.training.lessons.latent_line import LineLesson, LineOptions, build_line_lesson
from focusfix.training.lessons.table import check_lesson, with_preset

CRITERIA = {"l1": l1_loss, "mse": mse_loss}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build_network("linear-ae-direct", {"widths": [3, 4]}).train()


@pytest.fixture
def source(drawn_data):
    return drawn_data().train


def expected(network, batch, objective, loss, *, scale_free):
    """The functions of focusfix.losses on codes of the concatenated images."""
    true = Triplet(batch.sharper, batch.between, batch.blurrier)
    seen = true if objective == "line-direct" else (true.sharper, true.blurrier)
    codes = network.encode(torch.cat(tuple(seen))).chunk(len(seen))
    middle = interpolate_latents(codes[0], codes[-1], alpha=batch.alpha)
    at_line = [] if objective == "line-baseline" else [middle]
    made = network.decode(torch.cat([codes[0], codes[-1], *at_line])).chunk(2 + len(at_line))
    criterion = CRITERIA[loss]
    if objective == "line-baseline":
        ends = (true.sharper, true.blurrier)
        return baseline_loss((made[0], made[1]), ends, criterion=criterion)
    images = Triplet(made[0], made[2], made[1])
    if objective == "line-indirect":
        return indirect_loss(images, true, criterion=criterion)
    return direct_loss(
        images, true, Triplet(*codes), middle, criterion=criterion, scale_free=scale_free
    )


@pytest.mark.parametrize("loss", ["l1", "mse"])
@pytest.mark.parametrize(
    ("objective", "scale_free", "terms"),
    [
        ("line-baseline", False, {"reconstruction"}),
        ("line-indirect", False, {"reconstruction", "synthesis"}),
        ("line-direct", False, {"reconstruction", "synthesis", "line"}),
        ("line-direct", True, {"reconstruction", "synthesis", "line"}),
    ],
)
def test_losses_are_those_of_the_equations(network, source, objective, scale_free, terms, loss):
    lesson = LineLesson(objective, loss, LineOptions(scale_free=scale_free))
    batch = lesson.batch(source, 0, 3)
    found = lesson.losses(network, batch, 0)
    assert set(found) == {"loss", "code_size", *terms}
    torch.testing.assert_close(
        found["loss"], expected(network, batch, objective, loss, scale_free=scale_free)
    )
    torch.testing.assert_close(found["loss"], sum(found[term] for term in terms))
    assert not found["code_size"].requires_grad


def test_batches_follow_from_their_numbers(source):
    lesson = LineLesson("line-direct", "l1")
    whole, parts = lesson.batch(source, 4, 3), [lesson.batch(source, n, 1) for n in (4, 5, 6)]
    assert whole.sharper.shape == (3, 1, 32, 32)
    assert whole.alpha.tolist() == [0.5] * 3
    for name in whole._fields:
        joined = torch.cat([getattr(part, name) for part in parts])
        assert getattr(whole, name).equal(joined)


class Halves(LatentLineModel):
    """Codes are the images themselves: everything about the line is exact."""

    hyperparameters = {}  # noqa: RUF012 - never changed
    footprint = None

    def encode(self, image):
        return image / 2

    def decode(self, code):
        return code * 2


def test_validation_extrapolates_and_synthesises(source):
    lesson = LineLesson("line-direct", "l1")
    batch = lesson.batch(source, 0, 2)
    shown = lesson.restore(Halves(), batch)
    restored = extrapolate_latents(batch.between, batch.blurrier, alpha=batch.alpha)
    torch.testing.assert_close(shown.restored, restored)
    assert shown.inputs.equal(batch.between)
    assert shown.targets.equal(batch.sharper)
    assert set(shown.scores) == {"synthesis_psnr_db", "reconstruction_psnr_db"}
    assert shown.scores["synthesis_psnr_db"].shape == (2,)
    assert float(shown.scores["reconstruction_psnr_db"].min()) > 90


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_every_objective_learns(source, precision):
    for name in ("baseline", "indirect", "direct"):
        torch.manual_seed(0)
        entry = get_entry(f"linear-ae-{name}")
        arithmetic = Arithmetic("cpu", precision)
        lesson = build_line_lesson(LessonContext(entry.objective, "l1", 32, arithmetic=arithmetic))
        settings = FitSettings(steps=30, warmup_steps=0)
        network = build_network(entry.name, entry.tiny)
        trainer = Trainer(network, lambda *given, to=lesson: to.losses(*given, 0), settings)
        batch = lesson.batch(source, 0, 2)
        losses = [trainer.learn(batch) for _ in range(8)]
        assert losses[-1] < losses[0]


def test_options_are_completed_and_checked():
    entry = get_entry("linear-ae-direct")
    assert check_lesson(entry, "mse", {"triplets": "full"}) == {
        "triplets": "full", "crops": "random", "scale_free": False
    }  # fmt: skip
    with pytest.raises(UsageError, match="--loss tempered-error has no meaning for linear-ae"):
        check_lesson(entry, "tempered-error", {})
    with pytest.raises(UsageError, match=r"--triplets: .* got 'all'"):
        check_lesson(entry, "l1", {"triplets": "all"})
    with pytest.raises(UsageError, match=r"--levels has no meaning.*takes triplets, crops, scale_"):
        check_lesson(entry, "l1", {"levels": 3})


def test_the_preset_of_the_paper_yields_to_what_is_given():
    entry = get_entry("linear-ae-direct")
    filled = with_preset(entry, "paper", {"batch_size": 2, "lesson": {"triplets": "full"}})
    assert (filled["batch_size"], filled["accumulate"], filled["epochs"]) == (2, 4, 40)
    assert filled["lesson"] == {"triplets": "full", "crops": "ten-crop"}
    assert "epochs" not in with_preset(entry, "paper", {"steps": 5})
    with pytest.raises(UsageError, match="--preset paper has no meaning for multilevel-unet"):
        with_preset(get_entry("multilevel-unet"), "paper", {})
