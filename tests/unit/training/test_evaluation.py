from collections import Counter

import numpy as np
import pytest
import torch

from focusfix.footprint import Footprint
from focusfix.metrics.fidelity import psnr
from focusfix.metrics.ladder import Ladder, run_padded, summarise
from focusfix.metrics.latent_space import encode_ladder, path_scores
from focusfix.models.base import Restorer
from focusfix.models.linear_autoencoder import LinearAutoencoder
from focusfix.models.refocuser import Refocuser
from focusfix.models.registry import build_network, get_entry
from focusfix.training.evaluation import code_crops, evaluate
from focusfix.training.remembered import remembered


def ladders(count: int = 2, size: int = 24) -> list[Ladder]:
    rng = np.random.default_rng(0)
    return [
        Ladder(f"f{i}", (-12.0, -8.0, -4.0, 0.0), rng.random((4, size, size)).astype(np.float32))
        for i in range(count)
    ]


def tiny(name: str) -> Restorer:
    torch.manual_seed(0)
    return build_network(name, get_entry(name).tiny).eval()


def test_a_network_that_deblurs_is_scored_at_every_level() -> None:
    network, fields, done = tiny("multilevel-unet"), ladders(), []
    scores = evaluate(network, fields, on_progress=done.append)
    assert scores.paths is None
    assert scores.probes == {}
    assert done == [0.5, 1.0]
    assert Counter(row.method for row in scores.comparisons) == {"model": 8, "doing nothing": 8}
    (row,) = [
        r
        for r in scores.comparisons
        if (r.field, r.level, r.method) == ("f1", -8.0, "model")
    ]  # fmt: skip
    restored = run_padded(network.footprint, network, fields[1].images[1])
    truth = fields[1].images[3]
    assert summarise([row]).psnr_db == pytest.approx(psnr(restored, truth, data_range=1.0))


class Told(Refocuser):
    """Makes the image brighter by a twentieth of the distance that it is told."""

    hyperparameters = {}  # noqa: RUF012 - never changed
    footprint = Footprint(0, 1)

    def refocus(self, image, dz_um):
        return image + dz_um / 20


@pytest.mark.parametrize(
    ("sign", "side", "told"),
    [("focus", 1, -6.0), ("focus", -1, -6.0), ("stage", 1, -6.0), ("stage", -1, 6.0)],
)
def test_a_refocuser_is_told_how_far_focus_is(sign, side, told) -> None:
    network = Told()
    network.sign = sign
    focus = np.random.default_rng(0).random((32, 32)).astype(np.float32)
    ladder = Ladder("f", (-6.0, 0.0), np.stack([focus - told / 20, focus]), side)
    scores = evaluate(network, [ladder], with_ssim=False)
    assert [row.mse for row in scores.comparisons if row.method == "model"] == pytest.approx([0, 0])
    assert max(row.mse for row in scores.comparisons) > 0.01


def test_a_latent_line_is_scored_as_path_and_as_images() -> None:
    torch.manual_seed(0)
    network = LinearAutoencoder(widths=[2, 3]).eval()
    fields = ladders(3)
    scores = evaluate(network, fields, with_ssim=False)
    assert {row.task for row in scores.comparisons} == {
        "reconstruction",
        "synthesis",
        "synthesis of codes",
        "deblurring",
    }
    assert scores.paths is not None
    expected = path_scores(torch.stack([encode_ladder(network, each) for each in fields]))
    assert scores.paths.lds.mean == pytest.approx(expected.lds.mean)
    assert scores.paths.apd_sq.mean == pytest.approx(expected.apd_sq.mean)
    assert scores.paths.lds.n_fields == 3


def test_two_levels_have_no_path() -> None:
    torch.manual_seed(0)
    network = LinearAutoencoder(widths=[2, 3]).eval()
    images = np.random.default_rng(0).random((2, 24, 24)).astype(np.float32)
    assert evaluate(network, [Ladder("f", (-4.0, 0.0), images)]).paths is None


def test_both_sides_of_a_field_are_one_identity() -> None:
    network = tiny("manifold")
    first, second = ladders(2)
    behind = Ladder(first.field, (-6.0, 0.0), first.images[1::2] * 0.5)
    codes = code_crops(network, [first, behind, second])
    assert codes.identities.tolist() == [0] * 5 + [1] * 4
    assert codes.distances.tolist() == [12, 8, 4, 0, 6, 12, 8, 4, 0]
    with torch.inference_mode():
        expected = network.encode(torch.from_numpy(behind.images[:1, None])).identity.flatten()
    np.testing.assert_allclose(codes.identity[4], expected, atol=1e-6)


def test_a_single_crop_has_no_score_of_its_codes() -> None:
    network = tiny("manifold")
    scores = evaluate(network, ladders(1))
    assert scores.probes == {}
    assert {row.method for row in scores.comparisons} == {"model", "doing nothing"}


def test_a_network_answers_from_memory_only_within() -> None:
    torch.manual_seed(0)
    network = LinearAutoencoder(widths=[2, 3]).eval()
    encode, seen = network.encode, []
    images = torch.rand(3, 1, 8, 8)
    expected = network.decode(encode(images))
    network.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    with remembered(network), torch.no_grad():
        for first, last in ((0, 3), (1, 3), (0, 1)):
            torch.testing.assert_close(network(images[first:last]), expected[first:last])
    assert seen == [1, 1, 1]
    assert network.encode == encode
