"""What the U-Nets have in common that a distance modulates: settings, reach and doubling."""

from typing import TYPE_CHECKING, Any, cast

from torch import Tensor
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import check_integer
from focusfix.models.reach import Span, farthest_reach, join
from focusfix.models.refocuser import Refocuser

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST = {"depth": 6, "base_width": 256, "code_width": 512, "rounds": 8}
_FARTHEST_UM = 1e4


class DistanceUNet(Refocuser):
    """A U-Net with two 3x3 convolutions a level, halved by pooling and doubled bilinearly.

    Parameters
    ----------
    hyperparameters : mapping of str to value
        Of the constructor, complete: depth (halvings; 1 to 6), base_width (channels at full size,
        doubled at each halving; 1 to 256), code_width (features that describe the distance; 1 to
        512), range_um (largest distance that it is meant for; micrometres, above 0) and the
        network's own.

    Raises
    ------
    ValueError
        If one is out of range.
    """

    def __init__(self, hyperparameters: "Mapping[str, object]") -> None:
        super().__init__()
        self.hyperparameters = dict(hyperparameters)
        for name, most in _MOST.items():
            if name in hyperparameters:
                check_integer(name, hyperparameters[name], most)
        range_um = hyperparameters["range_um"]
        if not isinstance(range_um, int | float) or not 0 < range_um <= _FARTHEST_UM:
            raise ValueError(
                f"range_um must be above 0 and at most {_FARTHEST_UM:g}, got {range_um!r}"
            )
        self.range_um = float(range_um)
        self.depth: int = cast("Any", hyperparameters["depth"])
        base: int = cast("Any", hyperparameters["base_width"])
        self.widths = [base * 2**level for level in range(self.depth + 1)]

    @property
    def footprint(self) -> Footprint:
        """Reach and stride, traced back through the U-Net.

        They hold for surfaces too: a distance acts where its 2x2 blocks of pixels lie, which the
        reach of the image covers.
        """
        stride = 2**self.depth
        return Footprint(reach_px=farthest_reach(self._input_span, stride), stride_px=stride)

    def _input_span(self, output: Span) -> Span:
        """Trace a stretch of the output back to the image."""
        needed, skips = output.before_convolution(1), []
        for _ in range(self.depth):
            skips.append(needed.before_convolution(2))
            needed = skips[-1].before_bilinear_doubling()
        needed = needed.before_convolution(2)
        for skip in reversed(skips):
            needed = join(skip, needed.before_pooling()).before_convolution(2)
        return needed


def double(features: Tensor) -> Tensor:
    """Double the size of features (N, C, Y, X) bilinearly."""
    return F.interpolate(features, scale_factor=2.0, mode="bilinear", align_corners=False)
