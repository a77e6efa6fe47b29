"""Latent-line models with their parameters bound: what is done at one alpha, ready for tiles.

Each binding is used like a network. Its input holds the sharper image in channel 0 and, unless
the blurrier end is made from it, the blurrier one in channel 1.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer
from focusfix.models.line_model import LatentLineModel

_FAST_LENGTH = 32


class _PairBinding(Restorer):
    """What both ways along the line have in common: network, alpha, and how a copy was made."""

    psf: Tensor | None

    def __init__(self, network: LatentLineModel, alpha: float, psf: Tensor | None) -> None:
        super().__init__()
        self.network = network
        self.alpha = alpha
        self.register_buffer("psf", psf)
        self.hyperparameters = {"alpha": alpha}

    @property
    def footprint(self) -> Footprint:
        """That of the network: codes are moved element by element."""
        return self.network.footprint

    @property
    def reencoder(self) -> Restorer:
        """The network: it reconstructs images from their codes."""
        return self.network


class PairExtrapolation(_PairBinding):
    """Deblur: continue the line through two images of one field.

    Parameters
    ----------
    network : LatentLineModel
        With its weights.
    alpha : float
        Position of the sharper image between the image in focus (1) and the blurrier one (0);
        0 < alpha <= 1.
    psf : Tensor, shape (S, S), optional
        What made the blurrier image out of the sharper one, if it was made so.

    Raises
    ------
    ValueError
        If alpha is out of range.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023, eq. (2).
    """

    def __init__(
        self, network: LatentLineModel, *, alpha: float, psf: Tensor | None = None
    ) -> None:
        if not 0 < alpha <= 1:
            msg = f"alpha must be in (0, 1], got {alpha:g}"
            raise ValueError(msg)
        super().__init__(network, alpha, psf)

    def forward(self, image: Tensor) -> Tensor:
        """Turn pairs (N, 2, Y, X) into images in focus (N, 1, Y, X)."""
        ends = image[:, :1], image[:, 1:]
        return self.network.extrapolate_images(*ends, alpha=self.alpha, psf=self.psf)


class PairInterpolation(_PairBinding):
    """Synthesise the image between two of one field.

    Parameters
    ----------
    network : LatentLineModel
        With its weights.
    alpha : float
        Weight of the sharper image; 0 to 1.
    psf : Tensor, shape (S, S), optional
        What made the blurrier image out of the sharper one, if it was made so.

    Raises
    ------
    ValueError
        If alpha is out of range.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023, eq. (1).
    """

    def __init__(
        self, network: LatentLineModel, *, alpha: float, psf: Tensor | None = None
    ) -> None:
        if not 0 <= alpha <= 1:
            msg = f"alpha must be in [0, 1], got {alpha:g}"
            raise ValueError(msg)
        super().__init__(network, alpha, psf)

    def forward(self, image: Tensor) -> Tensor:
        """Turn pairs (N, 2, Y, X) into the images between (N, 1, Y, X)."""
        ends = image[:, :1], image[:, 1:]
        return self.network.interpolate_images(*ends, alpha=self.alpha, psf=self.psf)


class ChosenImage(Restorer):
    """One of the two ends, as it is: what alpha 1 and alpha 0 mean.

    Parameters
    ----------
    index : {0, 1}
        0 for the sharper image, 1 for the blurrier one.
    network : LatentLineModel, optional
        The network whose result this is.
    """

    def __init__(self, index: int, network: LatentLineModel | None = None) -> None:
        super().__init__()
        self.index = index
        self.network = network
        self.hyperparameters = {"index": index}

    @property
    def footprint(self) -> Footprint:
        """A pixel depends on itself."""
        return Footprint(0, 1)

    @property
    def reencoder(self) -> Restorer | None:
        """The network, which need not be able to code an image that it leaves as it is."""
        return self.network

    def forward(self, image: Tensor) -> Tensor:
        """Return one channel of images (N, C, Y, X)."""
        return image[:, self.index : self.index + 1]


class WithBlurredCopy(Restorer):
    """A binding of two images that is given one, and makes the blurrier one of it by optics.

    The copy is as free of noise as the PSF makes it; unlike that of a second recording, its noise
    is part of that of the image.

    Parameters
    ----------
    pair : Restorer
        What is done with the image and its copy.
    psf : Tensor, shape (S, S), S odd
        Point-spread function that takes the image to its copy; sums to one.

    Raises
    ------
    ValueError
        If the PSF is not square with an odd side.
    """

    stays_eager = True
    psf: Tensor

    def __init__(self, pair: Restorer, psf: Tensor) -> None:
        super().__init__()
        if psf.ndim != 2 or psf.shape[0] != psf.shape[1] or psf.shape[0] % 2 == 0:
            msg = f"psf must be square with an odd side, not {tuple(psf.shape)}"
            raise ValueError(msg)
        self.pair = pair
        self.hyperparameters = {"pair": pair.hyperparameters}
        self.register_buffer("psf", psf[None, None])

    @property
    def footprint(self) -> Footprint:
        """That of the pair, widened by the PSF."""
        pair = self.pair.footprint
        return Footprint(pair.reach_px + self.psf.shape[-1] // 2, pair.stride_px, pair.exact)

    @property
    def reencoder(self) -> Restorer | None:
        """That of the pair."""
        return self.pair.reencoder

    def forward(self, image: Tensor) -> Tensor:
        """Turn images (N, 1, Y, X) into what the pair makes of them and their copies."""
        restored: Tensor = self.pair(self._with_copy(image))
        return restored

    def restore_core(self, image: Tensor, margin_px: int) -> Tensor:
        """Leave out what the pair can leave out; see `focusfix.models.base.Restorer`."""
        return self.pair.restore_core(self._with_copy(image), margin_px)

    def _with_copy(self, image: Tensor) -> Tensor:
        return torch.cat([image, blur_image(image, self.psf)], dim=1)


def blur_image(image: Tensor, psf: Tensor) -> Tensor:
    """Convolve images with a PSF in full precision; beyond the edge, the edge goes on.

    Parameters
    ----------
    image : Tensor, shape (N, 1, Y, X)
        Scaled intensities.
    psf : Tensor, shape (1, 1, S, S), S odd
        Sums to one.

    Returns
    -------
    Tensor, shape (N, 1, Y, X)
    """
    side, (height, width) = psf.shape[-1], image.shape[-2:]
    size = [-(-(length + side - 1) // _FAST_LENGTH) * _FAST_LENGTH for length in (height, width)]
    with torch.autocast(image.device.type, enabled=False):
        padded = F.pad(image.to(psf.dtype), (side // 2,) * 4, mode="replicate")
        spectrum = torch.fft.rfft2(padded, s=size) * torch.fft.rfft2(psf, s=size)
        blurred: Tensor = torch.fft.irfft2(spectrum, s=size)
    return blurred[..., side - 1 : side - 1 + height, side - 1 : side - 1 + width]
