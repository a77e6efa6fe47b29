"""The product-manifold autoencoder: two maps, disentangled by its losses alone.

The losses are in :mod:`focusfix.losses.disentangled`.

References
----------
Ritsema, disentanglement of defocus in microscopy (thesis), section 4.2, after Fumero et al.,
"Learning disentangled representations via product manifold projection", ICML 2021.
"""

from collections.abc import Sequence

from torch import Tensor

from focusfix.models.base import check_image
from focusfix.models.disentangled import TwoCodeModel
from focusfix.models.two_code_model import Codes


class ManifoldAutoencoder(TwoCodeModel):
    """Encode an image as two maps of equal size; swap the second one to change its blur.

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
    The output ends in a sigmoid, and there are no shortcuts: what the codes do not hold is lost.
    The thesis does not say what the last activation is.
    """

    def __init__(self, *, widths: Sequence[int] = (64, 128, 256, 512)) -> None:
        super().__init__(widths)
        self.hyperparameters = {"widths": list(widths)}
        self.reserve_focus_code(self.code_channels, 1, 1)

    def encode(self, image: Tensor) -> Codes:
        """Turn images into their codes.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Intensities scaled to a nominal [0, 1]; Y and X are multiples of the stride.

        Returns
        -------
        Codes of Tensor, shape (N, widths[-1], Y / stride, X / stride)
            Identity and blur.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit.
        """
        check_image(image, channels=1, stride_px=self.stride_px)
        return Codes(*self.encoder(image))
