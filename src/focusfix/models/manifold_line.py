r"""The product-manifold autoencoder whose blur code is one number: distance from focus, in its way.

.. math:: c^{blur} = h\big(E^{blur}(x)\big) \in \mathbb R, \qquad
          \hat x = D\big(c^{id}, g(c^{blur})\big)

How a map becomes one number and back is not described in the thesis. There are two ways here:

``map``
    h is a 1x1 convolution and the mean over all cells, g another 1x1 convolution whose output is
    the same in every cell. Fits images of any size.
``dense``
    h and g are dense layers over the map of one training crop. In larger images every block of
    that size is read for itself and the mean is taken; on the way back, blocks are equal. Its grid
    is therefore the whole block, 128 pixels, and a seam may show where blocks meet.

References
----------
Ritsema, disentanglement of defocus in microscopy (thesis), section 4.3.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from focusfix.errors import ModelError
from focusfix.footprint import Footprint
from focusfix.models.base import check_choice, check_image, check_integer
from focusfix.models.disentangled import TwoCodeModel, spread_blur
from focusfix.models.distance_curve import DistanceCurve
from focusfix.models.reach import Span, farthest_reach
from focusfix.models.two_code_model import Codes

_LARGEST_SIZE_PX = 1024


class FocusDistance(NamedTuple):
    """How far from focus images are, as their blur codes tell.

    Parameters
    ----------
    value_um : Tensor, shape (N,)
        Distance from the focal plane; micrometres. Signed if the network can tell the sides of
        focus apart, else not negative.
    confidence : Tensor, shape (N,)
        1 for a reading without scatter, 0 for one no better than a guess; 0 to 1.
    """

    value_um: Tensor
    confidence: Tensor


class ManifoldLineAutoencoder(TwoCodeModel):
    """Encode an image as one map for what is seen and one number for its blur.

    Parameters
    ----------
    widths : sequence of int
        Feature channels of the blocks, as for
        :class:`~focusfix.models.disentangled.TwoCodeModel`.
    head : {"map", "dense"}
        How the map of blur becomes one number, and back.
    size_px : int
        Side of the training crops that dense layers are made for, a multiple of the stride of the
        blocks; pixels. Not used by the head "map".

    Attributes
    ----------
    code_sign : Tensor, shape ()
        +1 or -1: codes are multiplied with it on their way out and back in, so that they increase
        with the distance from focus, whichever way training went.
    curve : DistanceCurve
        Codes to micrometres.

    Raises
    ------
    ValueError
        If a hyperparameter is out of range.
    """

    code_sign: Tensor

    def __init__(
        self,
        *,
        widths: Sequence[int] = (64, 128, 256, 512),
        head: str = "map",
        size_px: int = 128,
    ) -> None:
        super().__init__(widths)
        check_choice("head", head, ("map", "dense"))
        check_integer("size_px", size_px, _LARGEST_SIZE_PX)
        if head == "dense" and size_px % self.stride_px:
            msg = f"size_px must be a multiple of {self.stride_px}, got {size_px}"
            raise ValueError(msg)
        self.hyperparameters = {"widths": list(widths), "head": head, "size_px": size_px}
        cells = size_px // self.stride_px if head == "dense" else 1
        self.head = _BlurHead(self.code_channels, cells)
        self.register_buffer("code_sign", torch.ones(()))
        self.curve = DistanceCurve()
        self.reserve_focus_code(1)

    @property
    def footprint(self) -> Footprint:
        """Reach and stride of :meth:`forward`; one block of the head is the grid."""
        stride = self.stride_px * self.head.cells
        return Footprint(farthest_reach(self._input_span, stride), stride)

    def _input_span(self, output: Span) -> Span:
        needed, grid = self.decoder.input_span(output), self.head.cells
        first, last = needed.first // grid * grid, needed.last // grid * grid + grid - 1
        return self.encoder.input_span(Span(first, last))

    def encode(self, image: Tensor) -> Codes:
        """Turn images into their codes.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Intensities scaled to a nominal [0, 1]; Y and X are multiples of the stride.

        Returns
        -------
        Codes
            Identity, shape (N, widths[-1], Y', X'), and blur, shape (N, 1), of the whole image.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit.
        """
        self.check_sizes(image)
        identity, blur = self.encoder(image)
        return Codes(identity, self.code_sign * self.head.read(blur))

    def decode(self, identity: Tensor, blur: Tensor) -> Tensor:
        """Turn codes into images.

        Parameters
        ----------
        identity : Tensor, shape (N, widths[-1], Y', X')
            What is to be seen.
        blur : Tensor, shape (N or 1, 1)
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
        check_image(identity, channels=self.code_channels, stride_px=self.head.cells)
        if blur.ndim != 2 or blur.shape[1] != 1:
            msg = f"expected blur codes of shape (N, 1), got {tuple(blur.shape)}"
            raise ValueError(msg)
        return self._decode_blocks(identity, self.code_sign * blur[..., None, None])

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct images from their own codes, place by place.

        Every cell (head "map") or block (head "dense") is decoded with the number read there. One
        number for the whole image, which is what :meth:`encode` gives and training uses, would
        make every pixel depend on every other one.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            As for :meth:`encode`.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)
        """
        self.check_sizes(image)
        identity, blur = self.encoder(image)
        return self._decode_blocks(identity, self.head.read_blocks(blur))

    def _decode_blocks(self, identity: Tensor, codes: Tensor) -> Tensor:
        """Decode with one code, before its sign, for each block: (N or 1, 1, 1 or y, 1 or x)."""
        grid = self.head.cells
        if codes.shape[-2:] == (1, 1):
            codes = codes.expand(-1, -1, *(side // grid for side in identity.shape[-2:]))
        image: Tensor = self.decoder(identity, spread_blur(self.head.write(codes), identity))
        return image

    def calibrate(self, blur: Tensor, dz_um: Tensor) -> None:
        """Learn what blur codes mean in micrometres, and make them increase with the distance.

        Parameters
        ----------
        blur : Tensor, shape (N, 1)
            Codes of images at known distances, from :meth:`encode` of this network as it is now.
        dz_um : Tensor, shape (N,)
            Their signed distances from focus; micrometres.

        Raises
        ------
        ValueError
            If there are fewer than two distances, or the shapes do not fit.

        Notes
        -----
        A stored blur code of images in focus changes its sign with the others.
        """
        sign = self.curve.fit(blur.flatten(), dz_um)
        self.code_sign.mul_(sign)
        self.focus_code.mul_(sign)

    def read_blocks(self, image: Tensor) -> Tensor:
        """Read one code for each block of images: a cell (head "map"), a crop (head "dense").

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            As for :meth:`encode`.

        Returns
        -------
        Tensor, shape (N, 1, Y / stride, X / stride)
            Their mean is the blur code of :meth:`encode`.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit.
        """
        self.check_sizes(image)
        return self.code_sign * self.head.read_blocks(self.encoder(image)[1])

    def distance_um(self, image: Tensor) -> FocusDistance:
        """Tell how far from focus images are.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Intensities scaled to a nominal [0, 1]; Y and X are multiples of the stride.

        Returns
        -------
        FocusDistance
            Distance and confidence of each image.

        Raises
        ------
        ModelError
            If the weights hold no calibration.
        """
        self.check_calibration()
        return FocusDistance(*self.curve.read(self.encode(image).blur.flatten()))

    def check_calibration(self) -> None:
        """Refuse weights that cannot tell micrometres, with :class:`ModelError`."""
        if not self.curve.is_known:
            raise ModelError(
                "These weights hold no table from blur codes to micrometres.",
                "Use weights that focusfix train made from images at known heights, to its end.",
            )


class _BlurHead(nn.Module):
    """Read one number off a map, and write a map for it.

    Parameters
    ----------
    channels : int
        Of the map.
    cells : int
        Side of the blocks that the layers cover; 1 is the head "map".
    """

    def __init__(self, channels: int, cells: int) -> None:
        super().__init__()
        self.channels = channels
        self.cells = cells
        self.to_code = nn.Linear(channels * cells**2, 1)
        self.to_map = nn.Linear(1, channels * cells**2)

    def read(self, blur_map: Tensor) -> Tensor:
        """Turn maps (N, C, Y', X') into codes (N, 1): the mean over all blocks."""
        return self.read_blocks(blur_map).mean(dim=(-2, -1))

    def read_blocks(self, blur_map: Tensor) -> Tensor:
        """Turn maps (N, C, Y', X') into one number for each block: (N, 1, y, x)."""
        blocks = functional.pixel_unshuffle(blur_map, self.cells)
        codes: Tensor = self.to_code(blocks.movedim(1, -1)).movedim(-1, 1)
        return codes

    def write(self, codes: Tensor) -> Tensor:
        """Turn one number for each block, (N, 1, y, x), into maps (N, C, Y', X')."""
        blocks = self.to_map(codes.movedim(1, -1)).movedim(-1, 1)
        return functional.pixel_shuffle(blocks, self.cells)
