"""A cheap network of known footprint, so that benchmarks time the engine and not a model."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer

_FOLD = 4


class ProbeNetwork(Restorer):
    """Convolutions at a quarter of the size, so that a pixel costs few operations.

    Parameters
    ----------
    width : int
        Feature channels; the cost of a pixel grows with its square.
    layers : int
        Convolutions with 3 x 3 kernels.
    """

    def __init__(self, *, width: int = 32, layers: int = 3) -> None:
        super().__init__()
        self.hyperparameters = {"width": width, "layers": layers}
        widths = [_FOLD**2, *[width] * (layers - 1), _FOLD**2]
        self.convolutions = torch.nn.ModuleList(
            torch.nn.Conv2d(before, after, 3, padding=1) for before, after in pairwise(widths)
        )

    @property
    def footprint(self) -> Footprint:
        """One folded pixel per layer, and the rest of the fold that the last one lies in."""
        layers = len(self.convolutions)
        return Footprint(reach_px=_FOLD * layers + _FOLD - 1, stride_px=_FOLD)

    def forward(self, image: Tensor) -> Tensor:
        """Add a small change to the image."""
        features = F.pixel_unshuffle(image, _FOLD)
        for convolution in self.convolutions:
            features = torch.tanh(convolution(features))
        return image + 0.1 * F.pixel_shuffle(features, _FOLD)


def grey_tiles(count: int, shape_yx: tuple[int, int]) -> npt.NDArray[np.float32]:
    """Make tiles with the contrast of images; some activations take longer on pure noise."""
    noise = np.random.default_rng(0).random((count, 1, *shape_yx), dtype=np.float32)
    return np.float32(0.4) + np.float32(0.1) * noise
