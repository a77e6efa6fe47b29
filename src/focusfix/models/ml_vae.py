"""The multi-level variational autoencoder: identity shared by a group, blur of each image.

Every number of both codes is a normal distribution; the members of a group, focal planes of one
field, multiply their identities (:mod:`focusfix.latent.gaussian`) while training. At test time
the means are the codes, and an image is a group of one.

References
----------
Bouchacourt et al., "Multi-level variational autoencoder", AAAI 2018; Ritsema, disentanglement of
defocus in microscopy (thesis), section 4.1.
"""

from collections.abc import Sequence

from torch import Tensor, nn

from focusfix.latent.gaussian import Gaussian
from focusfix.models.base import check_image
from focusfix.models.disentangled import TwoCodeModel
from focusfix.models.two_code_model import Codes

LOG_VARIANCE_LIMIT = 10.0
"""Log-variances are clamped to this on both sides."""


class MultiLevelVAE(TwoCodeModel):
    """Encode an image as two maps of normal distributions.

    Parameters
    ----------
    widths : sequence of int
        Feature channels of the blocks, as for
        :class:`~focusfix.models.disentangled.TwoCodeModel`.

    Raises
    ------
    ValueError
        If a width, or their number, is out of range.

    Notes
    -----
    Means and log-variances come from 1x1 convolutions: four of 262,656 parameters with the widths
    of the thesis, which does not say what it used. Dense layers would have 1.07e9 each.
    """

    def __init__(self, *, widths: Sequence[int] = (64, 128, 256, 512)) -> None:
        super().__init__(widths)
        self.hyperparameters = {"widths": list(widths)}
        self.identity_head = _NormalHead(self.code_channels)
        self.blur_head = _NormalHead(self.code_channels)
        self.reserve_focus_code(self.code_channels, 1, 1)

    def encode_normals(self, image: Tensor) -> tuple[Gaussian, Gaussian]:
        """Turn images into the distributions of their codes, each image for itself.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Intensities scaled to a nominal [0, 1]; Y and X are multiples of the stride.

        Returns
        -------
        identity : Gaussian of Tensor, shape (N, widths[-1], Y / stride, X / stride)
            Of what is seen; log-variances are between -10 and 10.
        blur : Gaussian of Tensor, the same shape
            Of the blur.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit.
        """
        check_image(image, channels=1, stride_px=self.stride_px)
        identity, blur = self.encoder(image)
        return self.identity_head(identity), self.blur_head(blur)

    def encode(self, image: Tensor) -> Codes:
        """Turn images into the means of their codes; see :meth:`encode_normals`."""
        identity, blur = self.encode_normals(image)
        return Codes(identity.mean, blur.mean)

    def encode_identity(self, image: Tensor) -> Tensor:
        """Return the identity code of :meth:`encode` alone."""
        check_image(image, channels=1, stride_px=self.stride_px)
        code: Tensor = self.identity_head.mean(self.encoder.encode_identity(image))
        return code


class _NormalHead(nn.Module):
    """Read mean and log-variance off a map, cell by cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mean = nn.Conv2d(channels, channels, 1)
        self.log_variance = nn.Conv2d(channels, channels, 1)

    def forward(self, features: Tensor) -> Gaussian:
        limit = LOG_VARIANCE_LIMIT
        return Gaussian(self.mean(features), self.log_variance(features).clamp(-limit, limit))
