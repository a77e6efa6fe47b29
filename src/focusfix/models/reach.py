"""Which input pixels a stretch of output pixels depends on, traced back layer by layer.

Everything here is along one axis and in whole pixels. A layer turns a needed stretch of its output
into the needed stretch of its input; branches that meet are joined. The interval is exact for each
phase of the output pixel on the network's stride grid, so its farthest end over all phases is the
reach: no safety margin is added and none is needed.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce


@dataclass(frozen=True)
class Span:
    """A stretch of pixels along one axis of one feature map.

    Parameters
    ----------
    first, last : int
        Its ends, both included; pixels of that map, which may be negative.
    """

    first: int
    last: int

    def before_convolution(self, radius: int) -> "Span":
        """Widen by the radius of an odd kernel of stride 1; pixels."""
        return Span(self.first - radius, self.last + radius)

    def before_halving_convolution(self) -> "Span":
        """Undo a kernel of 3 with stride 2 and padding 1.

        Pixel ``p`` was made of ``2 p - 1`` to ``2 p + 1``.
        """
        return Span(2 * self.first - 1, 2 * self.last + 1)

    def before_pooling(self) -> "Span":
        """Undo a 2-pixel pooling: pixel ``p`` was made of ``2 p`` and ``2 p + 1``."""
        return Span(2 * self.first, 2 * self.last + 1)

    def before_doubling(self) -> "Span":
        """Undo a 2-pixel transposed convolution or a repeat: ``p`` was made of ``p // 2``."""
        return Span(self.first // 2, self.last // 2)

    def before_overlapping_doubling(self) -> "Span":
        """Undo a transposed kernel of 3 with stride 2, padding 1 and output padding 1.

        An even pixel was made of ``p / 2``, an odd one of the two on either side of ``p / 2``.
        """
        return Span(self.first // 2, (self.last + 1) // 2)

    def before_bilinear_doubling(self) -> "Span":
        """Undo a bilinear doubling: ``p`` was made of the two around ``(p + 0.5) / 2 - 0.5``."""
        return self.before_bilinear_enlarging(2)

    def before_bilinear_enlarging(self, times: int) -> "Span":
        """Undo a bilinear enlarging an even number of times, like the doubling."""
        return Span((self.first - times // 2) // times, (self.last - times // 2) // times + 1)


def join(*spans: Span | None) -> Span:
    """Return the shortest stretch that covers all of them.

    Parameters
    ----------
    *spans : Span or None
        Stretches of the same feature map; None where nothing is needed, but not all of them.

    Returns
    -------
    Span
        From the first of the firsts to the last of the lasts.
    """
    present = [span for span in spans if span is not None]
    return reduce(lambda a, b: Span(min(a.first, b.first), max(a.last, b.last)), present)


def farthest_reach(input_span: Callable[[Span], Span], stride_px: int) -> int:
    r"""Return how far an output pixel looks, over all phases of the stride grid.

    .. math:: \text{reach} = \max_{0 \le p < s} \max(p - \text{first}(p),\ \text{last}(p) - p)

    Parameters
    ----------
    input_span : callable from Span to Span
        Traces a stretch of the network's output back to its input.
    stride_px : int
        Grid on which the network is shift-equivariant, s; pixels.

    Returns
    -------
    int
        Reach in pixels.
    """
    traced = [(phase, input_span(Span(phase, phase))) for phase in range(stride_px)]
    return max(max(phase - span.first, span.last - phase) for phase, span in traced)
