"""The U-Net of one level of the multi-level U-Net."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.models.base import cut_margin
from focusfix.models.decoder_margins import decoder_margins
from focusfix.models.image_conv import FromImage, ToImage
from focusfix.models.reach import Span, join

Fusion = Literal["residual", "concat"]
"""How decoder features enter the finer encoder: added to it, or stacked beside it."""

_BLOCK_RADIUS = 2
"""Of two 3x3 kernels, one after the other; pixels."""


class SubNetwork(nn.Module):
    """The U-Net of one level, with batch normalisation in the encoder only.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of what it sees and of its prediction.
    widths : sequence of int
        Feature channels at each of its sizes, largest size first.
    links : int
        Encoder blocks, from the second on, that take over features of the coarser decoder.
    fusion : {"residual", "concat"}
        How they take them over.
    """

    def __init__(
        self,
        *,
        in_channels: int,
        out_channels: int,
        widths: Sequence[int],
        links: int,
        fusion: Fusion,
    ) -> None:
        super().__init__()
        self.fusion = fusion
        stacked = links if fusion == "concat" else 0
        # What block i hands on: its own channels, and those stacked onto them.
        handed = [
            width + (widths[i - 1] if 1 <= i <= stacked else 0) for i, width in enumerate(widths)
        ]
        self.encoder = nn.ModuleList(
            _double_convolution(before, width, normalised=True, first=nn.Conv2d if i else FromImage)
            for i, (before, width) in enumerate(
                zip([in_channels, *handed[:-1]], widths, strict=True)
            )
        )
        self.upsample = nn.ModuleList(
            nn.ConvTranspose2d(wide, narrow, 2, stride=2) for narrow, wide in pairwise(widths)
        )
        self.decoder = nn.ModuleList(
            _double_convolution(width + skip, width, normalised=False)
            for width, skip in zip(widths[:-1], handed[:-1], strict=True)
        )
        self.head = ToImage(widths[0], out_channels, 1)

    def forward(
        self, seen: Tensor, coarser: Sequence[Tensor], margin_px: int = 0
    ) -> tuple[Tensor, list[Tensor]]:
        """Predict one level.

        Parameters
        ----------
        seen : Tensor, shape (N, in_channels, Y, X)
            Image of this level and, if linked, the upsampled coarser prediction.
        coarser : sequence of Tensor
            Decoder features of the coarser level, its full size first; empty at the coarsest.
        margin_px : int
            Pixels on every side that serve as context only; a multiple of the stride.

        Returns
        -------
        prediction : Tensor, shape (N, out_channels, Y - 2 * margin_px, X - 2 * margin_px)
            Restored image of this level.
        decoded : list of Tensor
            Decoder features of this level, its full size first; with a margin, where there is one,
            of what the next larger size needs.
        """
        features, skips = seen, []
        for i, block in enumerate(self.encoder):
            link = coarser[i - 1] if 1 <= i <= len(coarser) else None
            if i > 0:
                features = F.max_pool2d(features, 2)
            if link is not None and self.fusion == "residual":
                features = features + link
            features = block(features)
            if link is not None and self.fusion == "concat":
                features = torch.cat([features, link], dim=1)
            skips.append(features)
        decoded: list[Tensor] = []
        margins = decoder_margins(margin_px, len(skips), _BLOCK_RADIUS)
        features = cut_margin(skips.pop(), margins[-1].there - margins[-1].wanted)
        for i in range(len(self.decoder) - 1, -1, -1):
            there, seen_px, wanted = margins[i]
            skip = cut_margin(skips.pop(), there - seen_px)
            larger = cut_margin(self.upsample[i](features), 2 * margins[i + 1].wanted - seen_px)
            features = self.decoder[i](torch.cat([skip, larger], dim=1))
            features = cut_margin(features, seen_px - wanted)
            decoded.insert(0, features)
        return self.head(features), decoded


def _double_convolution(
    before: int, after: int, *, normalised: bool, first: type[nn.Conv2d] = nn.Conv2d
) -> nn.Sequential:
    """Build two 3x3 convolutions with bias, each followed by ReLU."""
    layers: list[nn.Module] = []
    for kind, channels in ((first, before), (nn.Conv2d, after)):
        layers.append(kind(channels, after, 3, padding=1))
        if normalised:
            layers.append(nn.BatchNorm2d(after))
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def trace_level(
    resolutions: int, prediction: Span | None, decoded: dict[int, Span]
) -> tuple[list[Span], list[Span]]:
    """Trace what is needed of one level, and of its decoder blocks by the finer level, back.

    Parameters
    ----------
    resolutions : int
        Sizes inside the U-Net.
    prediction : Span, optional
        Needed stretch of its prediction.
    decoded : dict of int to Span
        Needed stretches of its decoder's features; by block, the full size is 0.

    Returns
    -------
    list of Span, list of Span
        For each encoder block, the needed stretch of its input and of what it hands on.
    """
    needed = prediction
    skips = []
    for i in range(resolutions - 1):
        skip = join(needed, decoded.get(i)).before_convolution(2)
        skips.append(skip)
        needed = skip.before_doubling()
    handed_on = [join(needed)]
    blocks = [handed_on[0].before_convolution(2)]
    for skip in reversed(skips):
        handed_on.insert(0, join(skip, blocks[0].before_pooling()))
        blocks.insert(0, handed_on[0].before_convolution(2))
    return blocks, handed_on
