r"""Two codes of one image: what the disentangled networks have in common.

A trunk of convolution blocks ends in two blocks of its own for each code, identity and blur; the
decoder reads both:

.. math:: (c^{id}, c^{blur}) = E(x), \qquad \hat x = D(c^{id}, c^{blur})

Decoding the identity of an image with the blur code of an image in focus deblurs it.

References
----------
Ritsema, disentanglement of defocus in microscopy (thesis), figures 4.1 and 4.2; see
``docs/models.md`` for what the text leaves open and what was chosen here.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from focusfix.footprint import Footprint
from focusfix.models.base import check_image, check_integer
from focusfix.models.image_conv import FromImage, ToImage
from focusfix.models.reach import Span, farthest_reach
from focusfix.models.two_code_model import DisentangledModel

_MOST_WIDTHS = 7
_WIDEST = 2048


class TwoCodeModel(DisentangledModel):
    """Encoder and decoder of all disentangled networks; what a blur code is, subclasses say.

    Parameters
    ----------
    widths : sequence of int
        Feature channels of the blocks at 1, 1/2, 1/4, ... of the input size; the last is that of
        the maps that both codes are made of. 2 to 7 of them, each 1 to 2048.

    Raises
    ------
    ValueError
        If a width, or their number, is out of range.

    Notes
    -----
    With the widths of the thesis, (64, 128, 256, 512), the encoder has 8,230,080 parameters and
    the decoder 9,369,601; a crop of 128 x 128 pixels has maps of 512 x 8 x 8 numbers. The thesis
    states 512 and the 1024 of both maps together.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        if not 2 <= len(widths) <= _MOST_WIDTHS:
            msg = f"widths must name 2 to {_MOST_WIDTHS} levels, got {len(widths)}"
            raise ValueError(msg)
        for width in widths:
            check_integer("widths", width, _WIDEST)
        self.stride_px = 2 ** len(widths)
        self.code_channels = widths[-1]
        self.encoder = TwoCodeEncoder(widths)
        self.decoder = TwoCodeDecoder(widths)

    def reserve_focus_code(self, *shape: int) -> None:
        """Make room for the blur code of images in focus, of this shape, not yet known."""
        self.register_buffer("focus_code", torch.zeros(shape))
        self.register_buffer("focus_images", torch.zeros((), dtype=torch.int64))

    @property
    def footprint(self) -> Footprint:
        """Reach and stride, traced layer by layer.

        Exact in evaluation mode only: batch norm then applies stored statistics, while in
        training mode it takes those of the whole batch.
        """
        reach = farthest_reach(self._input_span, self.stride_px)
        return Footprint(reach_px=reach, stride_px=self.stride_px)

    def _input_span(self, output: Span) -> Span:
        return self.encoder.input_span(self.decoder.input_span(output))

    def check_sizes(self, image: Tensor) -> None:
        """Refuse images that are not (N, 1, Y, X) on the grid, with :class:`ValueError`."""
        check_image(image, channels=1, stride_px=self.footprint.stride_px)

    def encode_identity(self, image: Tensor) -> Tensor:
        """Return the identity code of :meth:`encode` alone."""
        self.check_sizes(image)
        return self.encoder.encode_identity(image)

    def decode(self, identity: Tensor, blur: Tensor) -> Tensor:
        """Turn codes into images.

        Parameters
        ----------
        identity : Tensor, shape (N, widths[-1], Y', X')
            What is to be seen.
        blur : Tensor, shape (N or 1, widths[-1], Y' or 1, X' or 1)
            How blurred.

        Returns
        -------
        Tensor, shape (N, 1, stride * Y', stride * X')
            Images on the nominal scale, between 0 and 1.

        Raises
        ------
        ValueError
            If the codes do not fit the network or each other.
        """
        check_image(identity, channels=self.code_channels, stride_px=1)
        image: Tensor = self.decoder(identity, spread_blur(blur, identity))
        return image


class TwoCodeEncoder(nn.Module):
    """Blocks of two convolutions and a maximum of 2 x 2; two last blocks beside each other.

    Parameters
    ----------
    widths : sequence of int
        As for :class:`TwoCodeModel`.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        before = [1, *widths[:-1]]
        self.trunk = nn.Sequential(*(_shrink(a, b) for a, b in pairwise(before)))
        self.identity = _shrink(before[-1], widths[-1])
        self.blur = _shrink(before[-1], widths[-1])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Turn images (N, 1, Y, X) into the maps (N, C, Y', X') of identity and of blur."""
        shared = self.trunk(image)
        return self.identity(shared), self.blur(shared)

    def encode_identity(self, image: Tensor) -> Tensor:
        """Return the first of the two maps alone, without the work for the second."""
        identity: Tensor = self.identity(self.trunk(image))
        return identity

    def input_span(self, code: Span) -> Span:
        """Trace cells of a map back to pixels of the image."""
        for _ in range(len(self.trunk) + 1):
            code = code.before_pooling().before_convolution(2)
        return code


class TwoCodeDecoder(nn.Module):
    """Bilinear doublings, each followed by two convolutions; the last one makes the image.

    Parameters
    ----------
    widths : sequence of int
        As for :class:`TwoCodeModel`; run through backwards.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        upwards = [2 * widths[-1], *reversed(widths)]
        *wider, (before, last) = pairwise(upwards)
        self.levels = nn.Sequential(*(_enlarge(a, b, _convolve(b, b)) for a, b in wider))
        self.finest = _enlarge(before, last, ToImage(last, 1, 3, padding=1), nn.Sigmoid())

    def forward(self, identity: Tensor, blur: Tensor) -> Tensor:
        """Turn two maps (N, C, Y', X') into images (N, 1, Y, X), between 0 and 1."""
        image: Tensor = self.finest(self.levels(torch.cat([identity, blur], dim=1)))
        return image

    def input_span(self, output: Span) -> Span:
        """Trace pixels of the image back to cells of the maps."""
        for _ in range(len(self.levels) + 1):
            output = output.before_convolution(2).before_bilinear_doubling()
        return output


def spread_blur(blur: Tensor, identity: Tensor) -> Tensor:
    """Give blur codes the shape of the identity codes that they are decoded with.

    Parameters
    ----------
    blur : Tensor, shape (N or 1, B, Y' or 1, X' or 1)
        Blur codes; those of one image hold for all, those without positions everywhere.
    identity : Tensor, shape (N, C, Y', X')
        Identity codes.

    Returns
    -------
    Tensor, shape (N, B, Y', X')

    Raises
    ------
    ValueError
        If the blur codes belong to another number of images or to images of another size.
    """
    wanted = (len(identity), *identity.shape[-2:])
    given = (blur.shape[0], *blur.shape[2:])
    if blur.ndim != 4 or any(a not in (1, b) for a, b in zip(given, wanted, strict=True)):
        msg = (
            f"blur codes of shape {tuple(blur.shape)} do not fit identity codes of shape "
            f"{tuple(identity.shape)}"
        )
        raise ValueError(msg)
    return blur.expand(len(identity), -1, *identity.shape[-2:])


def _convolve(before: int, after: int) -> nn.Sequential:
    """Build a 3x3 convolution, of the image if it sees one channel, with batch norm and ReLU."""
    kind = FromImage if before == 1 else nn.Conv2d
    return nn.Sequential(kind(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU())


def _shrink(before: int, after: int) -> nn.Sequential:
    """Build two convolutions and the pooling behind them."""
    return nn.Sequential(_convolve(before, after), _convolve(after, after), nn.MaxPool2d(2))


def _enlarge(before: int, after: int, *rest: nn.Module) -> nn.Sequential:
    """Build a doubling, a convolution and what follows."""
    doubling = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
    return nn.Sequential(doubling, _convolve(before, after), *rest)
