"""The lesson of COMI, on dots and with networks whose answers are known."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from focusfix.data.samples import CropPair
from focusfix.errors import ModelError, UsageError
from focusfix.losses.perceptual import VggDistance, structure_loss
from focusfix.models.registry import build_network, get_entry
from focusfix.models.two_way_model import TwoWayModel
from focusfix.training.fit import FitSettings, Trainer
from focusfix.training.lesson import LessonContext
from focusfix.training.lessons.comi import ComiBatch, ComiLesson, build_comi_lesson
from focusfix.training.lessons.comi_options import BETAS
from focusfix.training.lessons.table import check_lesson, with_preset

CROP_PX = 32
HALVES = ("deblur", "blur")


class Dots:
    """Pairs by number; every place of dots is another one."""

    def pair(self, index: int) -> CropPair:
        dots = np.random.default_rng(index).random((CROP_PX, CROP_PX)) > 0.95
        planes = [4 * gaussian_filter(dots.astype(np.float32), sigma) for sigma in (2.0, 0.8)]
        return CropPair(*planes)


class Shift(TwoWayModel):
    """Deblurs by making brighter and blurs by making darker, by 0.1 each."""

    hyperparameters = {}  # noqa: RUF012 - never changed
    footprint = None

    def forward(self, image: Tensor) -> Tensor:
        return image + 0.1

    def blur_image(self, image: Tensor) -> Tensor:
        return image - 0.1


class Says(nn.Module):
    """Critics with a fixed opinion of images in focus and of such out of focus."""

    def __init__(self, sharp: float, blurry: float) -> None:
        super().__init__()
        self.opinions = sharp, blurry

    def forward(self, sharp: Tensor, blurry: Tensor) -> tuple[Tensor, Tensor]:
        return (
            sharp.new_full((len(sharp), 1, 2, 2), self.opinions[0]),
            blurry.new_full((len(blurry), 1, 2, 2), self.opinions[1]),
        )


def build(loss: str = "perceptual", **options: object) -> ComiLesson:
    settings = {"vgg_weights": None, "critic_width": 1, **options}
    return build_comi_lesson(LessonContext("comi", loss, CROP_PX, options=settings))


def flat_batch() -> ComiBatch:
    """Images of one grey value: blurry 0.5, sharp 0.6."""
    return ComiBatch(*(torch.full((2, 1, CROP_PX, CROP_PX), value) for value in (0.5, 0.6)))


def numbers(terms: dict[str, Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in terms.items()}


def kernels(network: nn.Module) -> list[Tensor]:
    """Copy all but biases, of which normalisation makes some meaningless."""
    return [each.detach().clone() for each in network.parameters() if each.ndim == 4]


def with_opinions(lesson: ComiLesson, sharp: float, blurry: float) -> ComiLesson:
    object.__setattr__(lesson.judges, "network", Says(sharp, blurry))
    return lesson


def test_terms_of_the_paired_form_by_hand() -> None:
    """Shift is perfect on partner and cycle, and wrong by 0.1 on what is right already."""
    lesson = with_opinions(build(loss="l1"), 0.75, 0.5)
    terms = numbers(lesson.losses(Shift(), flat_batch(), 0))
    for half in HALVES:
        assert terms[f"{half}_partner"] == pytest.approx(0, abs=1e-6)
        assert terms[f"{half}_cycle"] == pytest.approx(0, abs=1e-6)
        assert terms[f"{half}_identity"] == pytest.approx(0.2**2, rel=1e-4)
    opinions = {"sharp": 0.25**2, "blurry": 0.5**2}
    assert terms["deblur_adversarial"] == pytest.approx(opinions["sharp"])
    assert terms["deblur_cycle_adversarial"] == pytest.approx(opinions["blurry"])
    assert terms["blur_adversarial"] == pytest.approx(opinions["blurry"])
    assert terms["blur_cycle_adversarial"] == pytest.approx(opinions["sharp"])
    expected = 2 * 0.2**2 + 1e-3 * 2 * sum(opinions.values())
    assert terms["loss"] == pytest.approx(expected, rel=1e-4)
    assert not any("pixel" in name for name in terms)


def test_terms_without_pairs_by_hand() -> None:
    lesson = with_opinions(build(loss="l1", paired=False), 0.75, 0.5)

    class OneWay(Shift):
        def blur_image(self, image: Tensor) -> Tensor:
            return image

    terms = numbers(lesson.losses(OneWay(), flat_batch(), 0))
    assert not any("partner" in name for name in terms)
    assert terms["deblur_pixel_cycle"] == terms["blur_pixel_cycle"] == pytest.approx(0.1)
    assert terms["deblur_cycle"] == pytest.approx(0.1)
    assert (terms["deblur_identity"], terms["blur_identity"]) == pytest.approx((0, 0.2**2))
    expected = 2 * (0.25**2 + 0.5**2) + 2 * 0.1 + 0.2**2 + 10 * 2 * 0.1
    assert terms["loss"] == pytest.approx(expected, rel=1e-4)


def test_terms_of_weight_nothing_are_left_out() -> None:
    lesson = build(adversarial=0, cycle=0, identity=0)
    batch = lesson.batch(Dots(), 0, 2)
    terms = lesson.losses(Shift(), batch, 0)
    assert set(terms) == {
        "loss", "deblur_partner", "blur_partner", "deblur_variation", "blur_variation"
    }  # fmt: skip
    expected = structure_loss(batch.blurry + 0.1, batch.sharp)
    torch.testing.assert_close(terms["deblur_partner"], expected)


def test_pairs_are_of_one_place_and_others_are_not() -> None:
    paired, unpaired = build().batch(Dots(), 3, 2), build(paired=False).batch(Dots(), 3, 2)
    for row, index in enumerate((3, 4)):
        blurry, sharp = Dots().pair(index)
        np.testing.assert_array_equal(paired.blurry[row, 0], blurry)
        np.testing.assert_array_equal(paired.sharp[row, 0], sharp)
        np.testing.assert_array_equal(unpaired.blurry[row, 0], Dots().pair(2 * index)[0])
        np.testing.assert_array_equal(unpaired.sharp[row, 0], Dots().pair(2 * index + 1)[1])
    checked = build(paired=False).validation_batch(Dots(), 2)
    np.testing.assert_array_equal(checked.sharp[1, 0], Dots().pair(1).in_focus)
    np.testing.assert_array_equal(checked.blurry[1, 0], Dots().pair(1).out_of_focus)


def test_validation_shows_both_ways() -> None:
    batch = flat_batch()
    shown = build().restore(Shift(), batch)
    assert torch.equal(shown.inputs, batch.blurry)
    assert torch.equal(shown.targets, batch.sharp)
    torch.testing.assert_close(shown.restored, batch.sharp)
    assert shown.scores["synthesis_psnr_db"].tolist() == [100.0, 100.0]


@pytest.mark.parametrize("paired", [True, False])
def test_both_networks_and_both_critics_learn(paired: bool) -> None:
    torch.manual_seed(0)
    lesson = build(paired=paired, critic_width=2)
    network = build_network("comi", get_entry("comi").tiny)
    trainer = Trainer(
        network,
        lambda judged, batch: lesson.losses(judged, batch, 0),
        FitSettings(steps=2, learning_rate=1e-3, betas=BETAS),
        lesson.adversary,
    )
    parts = {
        "deblurring": network.deblurring, "blurring": network.blurring,
        "sharp": lesson.judges.network.sharp, "blurry": lesson.judges.network.blurry,
    }  # fmt: skip
    before = {name: kernels(part) for name, part in parts.items()}
    for step in range(2):
        trainer.learn(lesson.batch(Dots(), 2 * step, 2))
    for name, part in parts.items():
        pairs = zip(before[name], kernels(part), strict=True)
        assert not any(torch.equal(a, b) for a, b in pairs), name
    accuracies = [trainer.terms[f"{kind}_critic_accuracy"] for kind in ("sharp", "blurry")]
    assert all(0 <= accuracy <= 1 for accuracy in accuracies)
    assert trainer.terms["adversary_loss"] > 0


def test_collapse_shows_in_the_variation() -> None:
    class Same(Shift):
        def forward(self, image: Tensor) -> Tensor:
            return torch.zeros_like(image) + image.mean() * 0

    lesson = build()
    terms = numbers(lesson.losses(Same(), lesson.batch(Dots(), 0, 2), 0))
    assert terms["deblur_variation"] == 0
    assert terms["blur_variation"] > 1
    assert {sign.column for sign in lesson.signs} == {
        "deblur_variation", "blur_variation", "sharp_critic_accuracy", "blurry_critic_accuracy"
    }  # fmt: skip


def test_form_decides_about_weights() -> None:
    assert build().options.adversarial == 1e-3
    assert build(paired=False).options.pixel_cycle == 10
    assert build(paired=False, adversarial=0.5).options.adversarial == 0.5
    complete = check_lesson(get_entry("comi"), "perceptual", {"paired": False})
    assert (complete["adversarial"], complete["partner"]) == (1.0, 0.0)
    assert check_lesson(get_entry("comi"), "perceptual", complete) == complete
    with pytest.raises(UsageError, match=r"--partner: .*no partners to compare with, got 1"):
        check_lesson(get_entry("comi"), "perceptual", {"paired": False, "partner": 1.0})
    with pytest.raises(ValidationError, match="paired"):
        build(paired="no")


def test_small_crops_and_missing_weights_are_refused(tmp_path) -> None:
    with pytest.raises(UsageError, match="--crop-size 28 is too small for the critics of comi"):
        build_comi_lesson(LessonContext("comi", "perceptual", 28))
    with pytest.raises(ModelError, match=r"no\.safetensors"):
        build(vgg_weights=str(tmp_path / "no.safetensors"))


def test_deep_features_are_compared_where_there_are_weights(tmp_path) -> None:
    torch.manual_seed(0)
    widths = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256)]
    weights = {}
    for layer, (before, after) in zip((0, 2, 5, 7, 10, 12, 14), widths, strict=True):
        weights[f"features.{layer}.weight"] = torch.randn(after, before, 3, 3) / before**0.5
        weights[f"features.{layer}.bias"] = torch.zeros(after)
    path = tmp_path / "vgg16.safetensors"
    save_file(weights, path)
    lesson = build(vgg_weights=str(path))
    batch = lesson.batch(Dots(), 0, 1)
    terms = lesson.losses(Shift(), batch, 0)
    expected = VggDistance(weights).deep_error(batch.blurry + 0.1, batch.sharp)
    torch.testing.assert_close(terms["deblur_partner"], expected)
    assert lesson.distance.description.startswith("squared error of the features relu3_3")


def test_the_preset_of_the_published_code() -> None:
    entry = get_entry("comi")
    chosen = with_preset(entry, "paper", {"batch_size": 2})
    assert (chosen["steps"], chosen["batch_size"], chosen["schedule"]) == (25_000, 2, "half-linear")
    assert with_preset(entry, "paper", {"steps": 10})["steps"] == 10
    assert build().judges.betas == (0.5, 0.99)
