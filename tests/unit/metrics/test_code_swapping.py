from typing import NamedTuple

import numpy as np
import pytest
from torch import Tensor

from focusfix.footprint import Footprint
from focusfix.metrics.code_swapping import DONOR, FOCUS_CODE, flat_codes, swap_codes
from focusfix.metrics.ladder import Ladder

LEVELS = (0.0, 4.0, 12.0, 16.0)


class Pair(NamedTuple):
    identity: Tensor
    blur: Tensor


class ScaledPattern:
    """Identity is the pattern, blur its mean brightness: images are their product."""

    footprint = Footprint(reach_px=0, stride_px=1)

    def encode(self, image: Tensor) -> Pair:
        brightness = image.mean(dim=(2, 3))
        return Pair(image / brightness[..., None, None], brightness)

    def decode(self, identity: Tensor, blur: Tensor) -> Tensor:
        return identity * blur[..., None, None]

    def __call__(self, image: Tensor) -> Tensor:
        return self.decode(*self.encode(image))

    def deblur_image(self, image: Tensor) -> Tensor:
        return self.encode(image).identity * 0.5


def field(name: str, seed: int) -> Ladder:
    pattern = np.random.default_rng(seed).uniform(0.8, 1.2, (6, 7))
    pattern /= pattern.mean()
    images = [pattern * (0.1 + 0.4 * level / 16) for level in LEVELS]
    return Ladder(name, LEVELS, np.stack(images).astype(np.float32))


def test_separable_codes_do_every_task_exactly() -> None:
    made = list(swap_codes(ScaledPattern(), field("a", 0), [field("b", 1).images[-1]], seed=0))
    done = {(each.task, each.method) for each in made}
    assert done == {
        ("reconstruction", "model"),
        ("synthesis", "model"),
        ("synthesis", "doing nothing"),
        ("deblurring", DONOR),
        ("deblurring", FOCUS_CODE),
        ("deblurring", "doing nothing"),
    }
    for each in made:
        if each.method != "doing nothing":
            np.testing.assert_allclose(each.image, each.reference, rtol=1e-5)
    deblurred = [each.place for each in made if each.task == "deblurring"]
    assert sorted(set(deblurred)) == [0, 1, 2]


def test_donors_are_drawn_by_the_seed() -> None:
    """Donors of different brightness show in the result which of them was drawn."""
    donors = [factor * field("b", 1).images[-1] for factor in (1, 2, 4)]

    def means(seed: int) -> list[float]:
        made = swap_codes(ScaledPattern(), field("a", 0), donors, seed=seed, focus_code=False)
        return [round(float(m.image.mean()), 4) for m in made if m.method == DONOR]

    assert means(3) == means(3)
    drawn = {mean for seed in range(8) for mean in means(seed)}
    assert drawn == {0.5, 1.0, 2.0}


def test_without_donors_or_focus_code() -> None:
    made = swap_codes(ScaledPattern(), field("a", 0), [], seed=0, focus_code=False)
    assert {each.method for each in made} == {"model", "doing nothing"}


def test_codes_are_rows() -> None:
    images = field("a", 0).images
    codes = flat_codes(ScaledPattern(), images, at_once=3)
    assert codes.identity.shape == (4, 42)
    assert codes.blur[:, 0] == pytest.approx([0.1, 0.2, 0.4, 0.5], rel=1e-5)
