"""The lessons of the disentangled networks, on dots blurred by a known distance."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from focusfix.data.samples import CropGroup, FactorPairs
from focusfix.errors import ModelError
from focusfix.losses.disentangled import consistency_loss, contrastive_loss
from focusfix.losses.perceptual import structure_loss
from focusfix.models.manifold import ManifoldAutoencoder
from focusfix.models.manifold_line import ManifoldLineAutoencoder
from focusfix.models.ml_vae import MultiLevelVAE
from focusfix.models.two_code_model import Codes
from focusfix.training.lesson import LessonContext
from focusfix.training.lessons.disentangled import KnownImages, store_codes
from focusfix.training.lessons.image_distance import ImageDistance, build_distance
from focusfix.training.lessons.manifold import (
    ManifoldLesson,
    ManifoldOptions,
    build_manifold_lesson,
)
from focusfix.training.lessons.ml_vae import MlVaeLesson, MlVaeOptions, build_ml_vae_lesson

WIDTHS = [4, 6]
CROP_PX = 32
NONE = {"vgg_weights": None}


class Dots:
    """Identities are places of dots, levels are widths of a Gaussian."""

    def draw(self, identity: int, level: float) -> np.ndarray:
        rng = np.random.default_rng(identity)
        dots = (rng.random((CROP_PX, CROP_PX)) > 0.95).astype(np.float32)
        return (4 * gaussian_filter(dots, 0.8 + abs(level) / 4)).astype(np.float32)

    def factor_pairs(self, index: int) -> FactorPairs:
        rng = np.random.default_rng([7, index])
        u, v = rng.choice([-8.0, -4.0, 4.0, 8.0], 2, replace=False)
        levels = np.array([u, v], np.float32)
        images = [(2 * index, u), (2 * index, v), (2 * index + 1, u), (2 * index, 0.0)]
        return FactorPairs(*(self.draw(*each) for each in images), levels, 2 * levels)

    def group(self, index: int, *, size: int) -> CropGroup:
        levels = np.random.default_rng([8, index]).permutation(size).astype(np.float32)
        images = np.stack([self.draw(index, level) for level in levels])
        return CropGroup(images, self.draw(index, 0.0), levels, 2 * levels)


def manifold_lesson(**options: object) -> ManifoldLesson:
    made = ManifoldOptions.model_validate({**NONE, **options})
    return ManifoldLesson(made, ImageDistance("perceptual"), full_at=0)


def ml_vae_lesson(**options: object) -> MlVaeLesson:
    return MlVaeLesson(
        MlVaeOptions.model_validate({**NONE, **options}), ImageDistance("perceptual")
    )


def network(kind: type = ManifoldAutoencoder, seed: int = 0) -> torch.nn.Module:
    torch.manual_seed(seed)
    return kind(widths=WIDTHS)


def numbers(terms: dict[str, torch.Tensor]) -> dict[str, float]:
    return {name: float(value.detach()) for name, value in terms.items()}


def test_batches_follow_from_the_numbers_of_the_samples() -> None:
    for lesson in (manifold_lesson(), ml_vae_lesson(group_size=3)):
        whole, second = lesson.batch(Dots(), 0, 4), lesson.batch(Dots(), 2, 2)
        assert all(len(part) == 4 for part in whole)
        for name, part in whole._asdict().items():
            if name != "donor":
                assert torch.equal(part[2:], getattr(second, name))
        assert torch.equal(whole.donor[1:], whole.in_focus[:-1])


def test_validation_starts_out_of_focus() -> None:
    """Nothing can be gained on an image in focus, and its PSNR would drown the others."""

    class WithFocus(Dots):
        def factor_pairs(self, index: int) -> FactorPairs:
            pairs = super().factor_pairs(index)
            levels, dz_um = pairs.levels.copy(), pairs.dz_um.copy()
            levels[index % 2] = dz_um[index % 2] = 0
            name = ("image", "other_level")[index % 2]
            return pairs._replace(levels=levels, dz_um=dz_um, **{name: pairs.in_focus})

    factors = manifold_lesson().validation_batch(WithFocus(), 4)
    assert bool((factors.dz_um[:, 0] != 0).all())
    assert bool((factors.dz_um[:, 1] == 0).all())
    assert torch.equal(factors.other_level, factors.in_focus)
    drawn = ml_vae_lesson(group_size=3).batch(Dots(), 0, 8)
    groups = ml_vae_lesson(group_size=3).validation_batch(Dots(), 8)
    assert bool((drawn.dz_um[:, 0] == 0).any())
    assert bool((groups.dz_um[:, 0] != 0).all())
    for before, after in zip(drawn.images, groups.images, strict=True):
        torch.testing.assert_close(before.sum(dim=0), after.sum(dim=0))


def test_terms_of_a_network_that_knows_the_factors() -> None:
    """With a perfect network, swaps are the images that they should be."""

    class Oracle(ManifoldAutoencoder):
        """Reads identity and level off two marked pixels, and draws them."""

        def encode(self, image):
            marks = image[:, :, 0, :2]
            return Codes(marks[:, :, :1, None], marks[:, :, 1:, None])

        def decode(self, identity, blur):
            image = torch.zeros(len(identity), 1, 16, 16)
            image[:, :, 0, :1], image[:, :, 0, 1:2] = identity[..., 0], blur[..., 0]
            return image

    def marked(identity: float, blur: float) -> torch.Tensor:
        image = torch.zeros(2, 1, 16, 16)
        image[:, 0, 0, 0], image[:, 0, 0, 1] = identity, blur
        return image

    batch = manifold_lesson().batch(Dots(), 0, 2)
    batch = batch._replace(
        image=marked(0.2, 0.1), other_level=marked(0.2, 0.9), other_identity=marked(0.7, 0.1)
    )
    terms = manifold_lesson(consistency_of="all").losses(Oracle(widths=WIDTHS), batch, 0)
    assert float(terms["reconstruction"]) == pytest.approx(0, abs=1e-6)
    assert float(terms["cross"]) == pytest.approx(0, abs=1e-6)
    assert float(terms["consistency"]) == pytest.approx(0, abs=1e-5)
    # Shared codes are equal, the blurs are 0.8 apart, the identities 0.5: 0.1 short of the margin.
    assert float(terms["contrastive"]) == pytest.approx(0.1 / 2, abs=1e-5)
    exchanged = batch._replace(other_level=batch.other_identity, other_identity=batch.other_level)
    assert float(manifold_lesson().losses(Oracle(widths=WIDTHS), exchanged, 0)["cross"]) > 0.001


def test_terms_are_what_the_equations_say() -> None:
    lesson, model = manifold_lesson(), network().eval()
    batch = lesson.batch(Dots(), 0, 2)
    terms = lesson.losses(model, batch, 0)
    x, v, j = (model.encode(part) for part in batch[:3])
    truth = batch.image, batch.other_level, batch.other_identity
    own = [structure_loss(model.decode(*c), i) for c, i in zip((x, v, j), truth, strict=True)]
    torch.testing.assert_close(terms["reconstruction"], sum(own) / 3)
    swapped = [(x, v, 1), (v, x, 0), (x, j, 0), (j, x, 2)]
    made = [model.decode(one.identity, other.blur) for one, other, _ in swapped]
    distances = [structure_loss(m, truth[k]) for m, (_, _, k) in zip(made, swapped, strict=True)]
    torch.testing.assert_close(terms["cross"], sum(distances) / 2)
    again = model.encode(made[0]).identity, model.encode(made[3]).blur
    stable = consistency_loss(again[0], x.identity) + consistency_loss(again[1], x.blur)
    torch.testing.assert_close(terms["consistency"], stable / 2)
    pulled = contrastive_loss(x.identity, v.identity, shared=True) + contrastive_loss(
        x.blur, j.blur, shared=True
    )
    pushed = contrastive_loss(x.blur, v.blur, shared=False) + contrastive_loss(
        x.identity, j.identity, shared=False
    )
    torch.testing.assert_close(terms["contrastive"], (pulled + pushed) / 2)
    parts = [terms[name] for name in ("reconstruction", "cross", "consistency", "contrastive")]
    torch.testing.assert_close(terms["loss"], sum(parts))


@pytest.mark.parametrize("name", ["reconstruction", "cross", "consistency", "contrastive"])
def test_every_term_can_be_left_out(name: str) -> None:
    everything = manifold_lesson().losses(
        network().eval(), manifold_lesson().batch(Dots(), 0, 2), 0
    )
    lesson = manifold_lesson(**{name: 0})
    left = lesson.losses(network().eval(), lesson.batch(Dots(), 0, 2), 0)
    assert left.keys() == everything.keys()
    torch.testing.assert_close(left["loss"], everything["loss"] - everything[name])


def test_only_reconstruction_at_first() -> None:
    lesson = build_manifold_lesson(
        LessonContext("manifold", "perceptual", CROP_PX, steps=400, options=NONE)
    )
    assert (lesson.starts_at, lesson.full_at) == (0, 30)
    batch = lesson.batch(Dots(), 0, 2)
    for step, beta in [(0, 4.54e-5), (20, 0.0357), (25, 0.1889), (30, 1.0)]:
        terms = numbers(lesson.losses(network().eval(), batch, step))
        assert terms["beta"] == pytest.approx(beta, rel=1e-3)
        others = terms["cross"] + terms["consistency"] + terms["contrastive"]
        assert terms["loss"] == pytest.approx(terms["reconstruction"] + beta * others, rel=1e-3)


def test_delay_in_epochs() -> None:
    options = {**NONE, "beta_epochs": 60, "beta_start": 30}
    context = LessonContext("manifold", "l1", CROP_PX, steps_per_epoch=10.0, options=options)
    lesson = build_manifold_lesson(context)
    assert (lesson.starts_at, lesson.full_at) == (300, 600)


@pytest.mark.parametrize(
    ("lesson", "kind"),
    [
        (manifold_lesson(), ManifoldAutoencoder),
        (manifold_lesson(), ManifoldLineAutoencoder),
        (ml_vae_lesson(), MultiLevelVAE),
    ],
    ids=["manifold", "manifold-1d", "ml-vae"],
)
def test_gradient_reaches_every_weight(lesson, kind) -> None:  # type: ignore[no-untyped-def]
    """Identity of groups included: accumulating detached statistics is a known mistake."""
    model = network(kind).train()
    lesson.losses(model, lesson.batch(Dots(), 0, 3), 5)["loss"].backward()
    missing = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not bool(parameter.grad.any())
    ]
    assert missing == []


@pytest.mark.parametrize("encoder", ["identity", "blur"])
def test_reconstruction_alone_reaches_both_encoders_of_the_ml_vae(encoder: str) -> None:
    lesson, model = ml_vae_lesson(kl_identity=0, kl_blur=0), network(MultiLevelVAE).train()
    lesson.losses(model, lesson.batch(Dots(), 0, 3), 0)["loss"].backward()
    first = next(getattr(model.encoder, encoder).parameters())
    assert float(first.grad.abs().sum()) > 0
    assert float(getattr(model, f"{encoder}_head").mean.weight.grad.abs().sum()) > 0


def test_ml_vae_counts_what_the_equation_counts() -> None:
    lesson, model = ml_vae_lesson(group_size=3), network(MultiLevelVAE).eval()
    batch = lesson.batch(Dots(), 0, 2)
    terms = numbers(lesson.losses(model, batch, 0))
    expected = 3 * terms["reconstruction"] + terms["kl_identity"] + 3 * terms["kl_blur"]
    assert terms["loss"] == pytest.approx(expected, rel=1e-5)


def test_divergences_warm_up() -> None:
    lesson = build_ml_vae_lesson(
        LessonContext(
            "ml-vae", "perceptual", CROP_PX, steps=100, options={**NONE, "kl_warmup": 0.2}
        )
    )
    model, batch = network(MultiLevelVAE).eval(), lesson.batch(Dots(), 0, 2)
    shares = []
    for step in (0, 9, 19, 50):
        terms = numbers(lesson.losses(model, batch, step))
        divergence = terms["kl_identity"] + 4 * terms["kl_blur"]
        shares.append((terms["loss"] - 4 * terms["reconstruction"]) / divergence)
    assert shares == pytest.approx([0.05, 0.5, 1.0, 1.0], rel=1e-3)


def test_noise_follows_from_seed_and_number() -> None:
    model = network(MultiLevelVAE).eval()

    def reconstruction(seed: int, number: int) -> float:
        lesson = MlVaeLesson(MlVaeOptions(**NONE), ImageDistance("l1"), seed=seed)
        batch = lesson.batch(Dots(), 0, 2)._replace(noise_seed=lesson.batch(Dots(), number, 2)[-1])
        torch.manual_seed(number)
        return numbers(lesson.losses(model, batch, 0))["reconstruction"]

    assert reconstruction(0, 0) == reconstruction(0, 0)
    assert len({reconstruction(0, 0), reconstruction(1, 0), reconstruction(0, 4)}) == 3


@pytest.mark.parametrize("kind", [ManifoldAutoencoder, ManifoldLineAutoencoder, MultiLevelVAE])
def test_finish_stores_the_code_of_images_in_focus(kind: type) -> None:
    lesson = ml_vae_lesson() if kind is MultiLevelVAE else manifold_lesson()
    model = network(kind).eval()
    lesson.finish(model, Dots())
    first = {name: value.clone() for name, value in model.state_dict().items()}
    assert int(model.focus_images) == 48
    in_focus = lesson.batch(Dots(), 0, 48).in_focus
    with torch.no_grad():
        code = model.encode(in_focus).blur
    expected = code.mean(dim=0) if code.ndim == 2 else code.mean(dim=(0, 2, 3))[:, None, None]
    torch.testing.assert_close(model.focus_code, expected)
    lesson.finish(model, Dots())
    assert all(torch.equal(value, first[name]) for name, value in model.state_dict().items())
    with torch.inference_mode():
        shown = lesson.restore(model, lesson.validation_batch(Dots(), 5))
    assert shown.inputs.shape == shown.restored.shape == shown.targets.shape == (5, 1, 32, 32)
    assert all(values.shape == (5,) for values in shown.scores.values())
    assert {"donor_psnr_db", "reconstruction_psnr_db"} <= set(shown.scores)


def test_distance_is_calibrated_where_it_is_known() -> None:
    model, images = network(ManifoldLineAutoencoder).eval(), torch.rand(8, 1, 16, 16)
    unknown = torch.full((4,), math.nan)
    store_codes(model, KnownImages(images[:4], unknown, images[4:]))
    assert model.knows_focus
    assert not model.curve.is_known
    store_codes(model, KnownImages(images[:4], torch.tensor([-2.0, 2.0, 4.0, -4.0]), images[4:]))
    assert model.curve.is_known
    assert float(model.curve.distances_um.max()) <= 4


def test_manifold_line_reports_the_error_of_its_distances() -> None:
    lesson, model = manifold_lesson(), network(ManifoldLineAutoencoder).eval()
    lesson.finish(model, Dots())
    batch = lesson.validation_batch(Dots(), 5)
    with torch.inference_mode():
        found = lesson.restore(model, batch).scores["distance_error_um"]
        value = model.distance_um(batch.image).value_um
    wanted = batch.dz_um[:, 0] if bool(model.curve.signed) else batch.dz_um[:, 0].abs()
    torch.testing.assert_close(found, (value - wanted).abs())


@pytest.mark.parametrize("kind", [ManifoldAutoencoder, ManifoldLineAutoencoder, MultiLevelVAE])
def test_learning_lowers_the_loss(kind: type) -> None:
    lesson = ml_vae_lesson() if kind is MultiLevelVAE else manifold_lesson()
    model = network(kind).train()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    found = []
    for step in range(16):
        terms = lesson.losses(model, lesson.batch(Dots(), 2 * (step % 4), 2), step)
        optimiser.zero_grad()
        terms["loss"].backward()
        optimiser.step()
        found.append(numbers(terms)["loss"])
    assert np.mean(found[-4:]) < 0.9 * np.mean(found[:4])


def test_images_are_compared_without_their_border() -> None:
    distance = ImageDistance("l1")
    target = torch.ones(1, 1, 128, 128)
    target[..., 16:-16, 16:-16] = 0
    assert float(distance(torch.zeros_like(target), target)) == 0


def test_vgg_weights_are_checked_when_the_lesson_is_built(tmp_path: Path) -> None:
    path = tmp_path / "vgg.safetensors"
    context = LessonContext("manifold", "perceptual", CROP_PX, options={"vgg_weights": str(path)})
    with pytest.raises(ModelError, match="there is no such file"):
        build_manifold_lesson(context)
    save_file({"features.0.weight": torch.rand(2)}, path)
    lesson = build_manifold_lesson(context)
    assert lesson.distance.description.startswith("features of VGG-16")
    with pytest.raises(ModelError, match=r"do not fit: features\.0\.weight has shape"):
        lesson.distance(torch.rand(1, 1, 32, 32), torch.rand(1, 1, 32, 32))
    options = ManifoldOptions.model_validate(context.options)
    assert build_distance(LessonContext("manifold", "l1", 32), options).vgg_weights is None


def test_vgg_weights_of_the_cache_are_taken_and_written_down(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert ManifoldOptions().vgg_weights is None
    path = tmp_path / "hub" / "checkpoints" / "vgg16.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"")
    assert ManifoldOptions().vgg_weights == str(path)
    monkeypatch.chdir(tmp_path)
    assert MlVaeOptions(vgg_weights="a.safetensors").vgg_weights == str(tmp_path / "a.safetensors")
