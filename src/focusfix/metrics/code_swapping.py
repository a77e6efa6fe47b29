"""What two separate codes are worth: the protocols of Ritsema's tables.

Identity and blur of an image are coded apart. If they are, an image is deblurred by decoding it
with the blur code of any image in focus, a level between two is made by mixing their blur codes,
and a classifier knows the field from the identity code but not from the blur code
(:mod:`focusfix.metrics.probe`).

References
----------
Ritsema, "A disentangled representation learning approach for deblurring microscopy images", MSc
thesis, section 5.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from focusfix.footprint import Footprint
from focusfix.metrics.ladder import (
    DEBLURRING,
    MODEL,
    NOTHING,
    RECONSTRUCTION,
    SYNTHESIS,
    FloatArray,
    Ladder,
    Made,
    run_padded,
)

if TYPE_CHECKING:
    from torch import Tensor

FOCUS_CODE = "stored focus code"
DONOR = "random in-focus donor"
"""Methods of deblurring, by where the blur code comes from."""


class CodePair(Protocol):
    """The two codes of images."""

    @property
    def identity(self) -> "Tensor":
        """What is seen."""

    @property
    def blur(self) -> "Tensor":
        """How far out of focus."""


class SwappingModel(Protocol):
    """What the protocols ask of a model; disentangled networks have it."""

    @property
    def footprint(self) -> Footprint:
        """Reach and stride."""

    def encode(self, image: "Tensor") -> CodePair:
        """Turn images (N, 1, Y, X) into their two codes."""

    def decode(self, identity: "Tensor", blur: "Tensor") -> "Tensor":
        """Turn an identity code and a blur code into images."""

    def __call__(self, image: "Tensor") -> "Tensor":
        """Reconstruct images."""

    def deblur_image(self, image: "Tensor") -> "Tensor":
        """Decode images with the stored blur code of images in focus."""


class FlatCodes(NamedTuple):
    """Codes of many images, one row each.

    Parameters
    ----------
    identity, blur : ndarray, shape (N, elements), float32
        What is seen, and how far out of focus.
    """

    identity: NDArray[np.float32]
    blur: NDArray[np.float32]


def swap_codes(
    model: SwappingModel,
    ladder: Ladder,
    donors: Sequence[FloatArray],
    *,
    seed: int,
    focus_code: bool = True,
    footprint: Footprint | None = None,
) -> Iterator[Made]:
    """Let a model reconstruct and deblur one field, and make its levels by mixing blur codes.

    Parameters
    ----------
    model : SwappingModel
        In evaluation mode, on the CPU.
    ladder : Ladder
        The field.
    donors : sequence of ndarray, shape (Y, X)
        Images in focus of other fields, as large as those of the ladder; one of them, drawn for
        each level, lends its blur code. Empty for no donors.
    seed : int
        Of the draw.
    focus_code : bool
        Whether to deblur with the stored focus code, too.
    footprint : Footprint, optional
        How far images are continued by reflection; as far as the model looks if not given.

    Yields
    ------
    Made
        For every level its reconstruction, and its synthesis from the identity code of the
        blurriest image and a mix of the blur codes of both ends; for every level out of focus,
        the image in focus made from it.
    """
    images, last = ladder.images, len(ladder.levels) - 1
    focus, blurriest = images[last], images[0]
    rng = np.random.default_rng(seed)
    seen = footprint or model.footprint
    for place, image in enumerate(images):
        mixed = run_padded(seen, _mix(model, ladder.alpha(place)), blurriest, focus)
        yield Made(RECONSTRUCTION, MODEL, place, run_padded(seen, model, image), image)
        yield Made(SYNTHESIS, MODEL, place, mixed, image)
        yield Made(SYNTHESIS, NOTHING, place, focus, image)
    for place, image in enumerate(images[:last]):
        yield Made(DEBLURRING, NOTHING, place, image, focus)
        if focus_code:
            deblurred = run_padded(seen, model.deblur_image, image)
            yield Made(DEBLURRING, FOCUS_CODE, place, deblurred, focus)
        if donors:
            donor = donors[int(rng.integers(len(donors)))]
            swapped = run_padded(seen, _swap(model), image, donor)
            yield Made(DEBLURRING, DONOR, place, swapped, focus)


def flat_codes(
    model: SwappingModel, images: NDArray[np.float32], *, at_once: int = 32
) -> FlatCodes:
    """Encode crops, and lay their codes out as rows.

    Parameters
    ----------
    model : SwappingModel
        In evaluation mode, on the CPU.
    images : ndarray, shape (N, Y, X), float32
        Nominal range [0, 1]; Y and X are multiples of the stride.
    at_once : int
        Images that are encoded together; changes nothing but the time.

    Returns
    -------
    FlatCodes
    """
    import torch

    identity, blur = [], []
    with torch.inference_mode():
        for first in range(0, len(images), at_once):
            codes = model.encode(torch.from_numpy(images[first : first + at_once, None]))
            identity.append(codes.identity.flatten(1).numpy())
            blur.append(codes.blur.flatten(1).numpy())
    return FlatCodes(np.concatenate(identity), np.concatenate(blur))


def _swap(model: SwappingModel) -> "Callable[[Tensor, Tensor], Tensor]":
    """Decode the first image with the blur code of the second."""
    return lambda image, donor: model.decode(model.encode(image).identity, model.encode(donor).blur)


def _mix(model: SwappingModel, alpha: float) -> "Callable[[Tensor, Tensor], Tensor]":
    """Decode the blurriest image with a mix of its blur code and that of the one in focus."""

    def mixed(blurriest: "Tensor", focus: "Tensor") -> "Tensor":
        first = model.encode(blurriest)
        blur = alpha * model.encode(focus).blur + (1 - alpha) * first.blur
        return model.decode(first.identity, blur)

    return mixed
