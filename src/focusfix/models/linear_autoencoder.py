r"""The latent-line autoencoder: a code of the image in which defocus is a straight line.

The encoder halves the image five times and the decoder doubles it five times; nothing bypasses
the code. Codes of two images of one field with different blur span the line on which, after
training for it, the codes of the levels between and beyond lie
(:mod:`focusfix.latent.line`):

.. math:: z = E(x), \qquad x'_b = D\big(\alpha E(x_a) + (1 - \alpha) E(x_c)\big)

The paper's three models (baseline, indirect, direct) are this one network trained with three
losses (:mod:`focusfix.losses.latent_line`).

References
----------
Mazilu, Wang et al., "Defocus blur synthesis and deblurring via interpolation and extrapolation in
latent space", CAIP 2023.
"""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from focusfix.footprint import Footprint
from focusfix.models.base import check_image, check_integer
from focusfix.models.image_conv import FromImage, ToImage
from focusfix.models.line_model import LatentLineModel
from focusfix.models.reach import Span, farthest_reach

_MOST_WIDTHS = 8
_WIDEST = 4096
_LEAK = 0.01


class LinearAutoencoder(LatentLineModel):
    r"""Encode an image, decode a code; between them, move along the line.

    Encoder, for each width: convolution (3x3, stride 2), batch norm, leaky ReLU of slope 0.01. The
    code is what the last activation gives. Decoder: the widths backwards by transposed convolutions
    (3x3, stride 2), the last width twice, each with batch norm and leaky ReLU; then a convolution
    to one channel and a sigmoid. The paper counts six transposed convolutions; six would double
    the size, so the last one is taken for a plain convolution.

    Parameters
    ----------
    widths : sequence of int
        Feature channels at 1/2, 1/4, 1/8, ... of the input size; 1 to 8 of them, each 1 to 4096.

    Raises
    ------
    ValueError
        If a width, or their number, is out of range.

    Notes
    -----
    There are no shortcuts: what the code does not hold is lost, and the reconstruction of an image
    is as sharp as anything made from codes can be. The sigmoid keeps all output between 0 and 1.

    With the widths of the paper, the defaults, the network has 12,580,801 parameters; 6,273,408 of
    them encode. A crop of 128 x 128 pixels has a code of 1024 x 4 x 4 numbers.
    """

    def __init__(self, *, widths: Sequence[int] = (64, 128, 256, 512, 1024)) -> None:
        super().__init__()
        if not 1 <= len(widths) <= _MOST_WIDTHS:
            msg = f"widths must name 1 to {_MOST_WIDTHS} levels, got {len(widths)}"
            raise ValueError(msg)
        for width in widths:
            check_integer("widths", width, _WIDEST)
        self.hyperparameters = {"widths": list(widths)}
        self.stride_px = 2 ** len(widths)
        self.code_channels = widths[-1]
        self.encoder = nn.Sequential(
            _halve(1, widths[0], FromImage),
            *(_halve(before, after) for before, after in pairwise(widths)),
        )
        upwards = [*reversed(widths), widths[0]]
        self.decoder = nn.Sequential(
            *(_double(before, after) for before, after in pairwise(upwards)),
            ToImage(widths[0], 1, 3, padding=1),
            nn.Sigmoid(),
        )

    @property
    def footprint(self) -> Footprint:
        r"""Reach and stride, traced layer by layer; for reconstructions and for moved codes alike.

        With n widths the stride is :math:`s = 2^n`, one cell of the code. The first pixel of a
        cell depends on that cell and, through the last convolution, on those before and after;
        each is made of the :math:`s - 1` pixels on either side of its first one. Hence a reach of
        :math:`2 s - 1`: 63 pixels, with a halo of 64, for the widths of the paper.

        Moving along the line mixes codes element by element and so reaches no farther. Tiling is
        exact in evaluation mode only: batch norm then applies stored statistics, while in training
        mode it takes those of the whole batch.
        """
        reach = farthest_reach(self._input_span, self.stride_px)
        return Footprint(reach_px=reach, stride_px=self.stride_px)

    def _input_span(self, output: Span) -> Span:
        span = output.before_convolution(1)
        for _ in range(len(self.encoder)):
            span = span.before_overlapping_doubling()
        for _ in range(len(self.encoder)):
            span = span.before_halving_convolution()
        return span

    def encode(self, image: Tensor) -> Tensor:
        """Turn images into codes.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Intensities scaled to a nominal [0, 1]; Y and X are multiples of the stride.

        Returns
        -------
        Tensor, shape (N, widths[-1], Y / stride, X / stride)
            Codes, after the activation: negative elements are a hundredth of what went into it.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit.
        """
        check_image(image, channels=1, stride_px=self.stride_px)
        code: Tensor = self.encoder(image)
        return code

    def decode(self, code: Tensor) -> Tensor:
        """Turn codes into images.

        Parameters
        ----------
        code : Tensor, shape (N, widths[-1], Y, X)
            Codes of :meth:`encode`, or points on the lines through them; Y, X >= 1.

        Returns
        -------
        Tensor, shape (N, 1, stride * Y, stride * X)
            Images on the nominal scale, between 0 and 1.

        Raises
        ------
        ValueError
            If the number of channels does not fit, or there are no cells.
        """
        check_image(code, channels=self.code_channels, stride_px=1)
        image: Tensor = self.decoder(code)
        return image

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct images from their own codes.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            As for :meth:`encode`.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)
            Reconstructions, with the blur that the images have.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit.
        """
        return self.decode(self.encode(image))


def _halve(before: int, after: int, kind: type[nn.Conv2d] = nn.Conv2d) -> nn.Sequential:
    """Build a convolution to half the size."""
    convolution = kind(before, after, 3, stride=2, padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.LeakyReLU(_LEAK))


def _double(before: int, after: int) -> nn.Sequential:
    """Build a transposed convolution to exactly twice the size."""
    convolution = nn.ConvTranspose2d(before, after, 3, stride=2, padding=1, output_padding=1)
    return nn.Sequential(convolution, nn.BatchNorm2d(after), nn.LeakyReLU(_LEAK))
