r"""A network that reads the blur, undoes it with a linear filter and finishes with a U-Net.

:class:`~focusfix.models.local_wiener.LocalWiener` filters the image twice with what the local
power spectra ask for: once for the smallest error, once bolder, as if there were less noise. A
U-Net sees the image, both results and what was read from the spectra, and adds what a linear
filter cannot know: that intensities are not negative, that background is even, that edges are
sharp.

.. math:: \hat y = y_1 + r(x, y_1, y_2, c)

The filters are fitted in closed form before the U-Net is trained and are left as they are by
gradient descent. With coefficients and remainder at zero, as they start, the image comes back
unchanged.

References
----------
The idea of feeding Wiener-deconvolved images to a U-Net is known from computational imaging
(Yanny et al., Optica 9, 2022, "MultiWienerNet").
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer, check_image, check_integer, cut_margin
from focusfix.models.local_wiener import LocalWiener
from focusfix.models.reach import Span, farthest_reach, join

FILTERED = 2
"""Filtered images: of smallest error, and bolder."""


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.second(F.relu_(self.first(features)))
        return change.add_(features)


class WienerUNet(Restorer):
    """Filter by the local power spectrum and add a remainder.

    Parameters
    ----------
    widths : sequence of int
        Feature channels of the U-Net at 1/2, 1/4, 1/8, ... of the input size.
    blocks : int
        Residual blocks at each size, on the way down and on the way up.
    rank : int
        Filters that the linear part mixes.
    hidden : int
        Width of the network that reads power spectra.
    window_px : int
        Side of the windows whose power is measured; pixels.
    support_px : int
        Half the side of the filters; pixels.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 96),
        blocks: int = 1,
        rank: int = 24,
        hidden: int = 256,
        window_px: int = 96,
        support_px: int = 80,
    ) -> None:
        super().__init__()
        _check_widths(widths)
        check_integer("blocks", blocks, 8)
        check_integer("rank", rank, 64)
        check_integer("hidden", hidden, 512)
        _check_window(window_px, len(widths))
        check_integer("support_px", support_px, 256)
        self.hyperparameters = {
            "widths": list(widths),
            "blocks": blocks,
            "rank": rank,
            "hidden": hidden,
            "window_px": window_px,
            "support_px": support_px,
        }
        self.filters = LocalWiener(
            outputs=FILTERED, rank=rank, hidden=hidden, window_px=window_px, support_px=support_px
        )
        self.filters.requires_grad_(requires_grad=False)
        self.finish = _Finish(widths, blocks, hidden, self.filters.hop_px)

    @cached_property
    def footprint(self) -> Footprint:
        """Reach and stride, traced layer by layer."""
        stride = self.filters.hop_px
        return Footprint(reach_px=farthest_reach(self.input_span, stride), stride_px=stride)

    def input_span(self, output: Span) -> Span:
        """Trace restored pixels back to the image."""
        pixels, code = self.finish.input_spans(output)
        return join(self.filters.input_span(pixels), self.filters.code_span(code))

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Scaled intensities; Y and X multiples of ``footprint.stride_px``.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)
        """
        return self.restore_core(image, 0)

    def restore_core(self, image: Tensor, margin_px: int) -> Tensor:
        """Restore all but the margin, most of which only the filters need; see the base class."""
        cut = max(margin_px - self._finish_halo_px, 0)
        return cut_margin(self.restore_and_read(image, cut)[0], margin_px - cut)

    def restore_and_read(self, image: Tensor, margin_px: int = 0) -> tuple[Tensor, Tensor]:
        """Restore a batch of images, and return what was read of their blur, too.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            As for :meth:`forward`.
        margin_px : int
            Pixels on every side that the filters alone see; a multiple of the stride.

        Returns
        -------
        restored : Tensor, shape (N, 1, Y - 2 * margin_px, X - 2 * margin_px)
        code : Tensor, shape (N, hidden, (Y - 2 * margin_px) / hop, (X - 2 * margin_px) / hop)
            Of the power spectrum of every neighbourhood.
        """
        check_image(image, channels=1, stride_px=self.filters.hop_px)
        filtered, code = self.filters(image, margin_px)
        images = torch.cat([cut_margin(image, margin_px), filtered], dim=1)
        return filtered[:, :1] + self.finish(images, code), code

    @cached_property
    def _finish_halo_px(self) -> int:
        stride = self.filters.hop_px
        return Footprint(farthest_reach(self._finish_span, stride), stride).halo_px

    def _finish_span(self, output: Span) -> Span:
        pixels, code = self.finish.input_spans(output)
        hop = self.filters.hop_px
        return join(pixels, Span(code.first * hop, code.last * hop + hop - 1))


class _Finish(nn.Module):
    """The U-Net that adds what the filters cannot know."""

    def __init__(self, widths: Sequence[int], blocks: int, code_width: int, hop_px: int) -> None:
        super().__init__()
        self.code_times = hop_px // 2 ** len(widths)
        inputs = [4 * (1 + FILTERED), *widths[:-1]]
        self.enter = nn.ModuleList(
            nn.Conv2d(count, width, 3, padding=1)
            for count, width in zip(inputs, widths, strict=True)
        )
        self.blur = nn.Conv2d(code_width, widths[-1], 1)
        self.down = nn.ModuleList(_stack(width, blocks) for width in widths)
        self.widen = nn.ModuleList(nn.Conv2d(wide, narrow, 1) for narrow, wide in pairwise(widths))
        self.up = nn.ModuleList(_stack(width, blocks) for width in widths[:-1])
        self.leave = nn.Conv2d(widths[0], 4, 3, padding=1)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor, code: Tensor) -> Tensor:
        """Predict the remainder of images (N, 3, Y, X) from them and the code of their blur."""
        features = F.pixel_unshuffle(images, 2)
        skips: list[Tensor] = []
        for level, (enter, down) in enumerate(zip(self.enter, self.down, strict=True)):
            features = enter(F.avg_pool2d(features, 2) if level else features)
            if level == len(self.down) - 1:
                features = features + F.interpolate(
                    self.blur(code), scale_factor=float(self.code_times)
                )
            features = down(F.relu_(features))
            skips.append(features)
        skips.pop()  # of the smallest size, which are the features themselves
        for level in range(len(self.up) - 1, -1, -1):
            features = F.interpolate(self.widen[level](features), scale_factor=2.0)
            features = self.up[level](features.add_(skips.pop()))
        remainder: Tensor = F.pixel_shuffle(self.leave(features), 2)
        return remainder

    def input_spans(self, output: Span) -> tuple[Span, Span]:
        """Trace output pixels back to the images and to the code."""
        radius = 2 * len(self.down[0])  # type: ignore[arg-type]
        features = output.before_doubling().before_convolution(1)
        skips = []
        for _ in self.up:
            features = features.before_convolution(radius)
            skips.append(features)
            features = features.before_doubling()
        below = features.before_convolution(radius)
        code = Span(below.first // self.code_times, below.last // self.code_times)
        below = below.before_convolution(1).before_pooling()
        for skip in reversed(skips):
            below = join(skip, below).before_convolution(radius + 1).before_pooling()
        return below, code


def _stack(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(_ResidualBlock(width) for _ in range(blocks)))


def _check_widths(widths: Sequence[int]) -> None:
    if not 1 <= len(widths) <= 4:
        msg = f"widths must name 1 to 4 levels, got {len(widths)}"
        raise ValueError(msg)
    for width in widths:
        check_integer("widths", width, 1024)


def _check_window(window_px: int, levels: int) -> None:
    check_integer("window_px", window_px, 512)
    grid = 3 * 2**levels
    if window_px % grid:
        msg = f"window_px must be a multiple of {grid} for {levels} widths, got {window_px}"
        raise ValueError(msg)
