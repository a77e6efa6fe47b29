r"""Unsharp masking: add what a Gaussian takes away.

.. math:: y = x + a\,(x - G_\sigma * x)

It knows nothing of lens or noise, and brings nothing back; it makes what is there stand out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from focusfix.footprint import Footprint

_TRUNCATED_AT = 4.0


@dataclass(frozen=True)
class UnsharpMask:
    """A sharpening that is ready for tiles.

    Parameters
    ----------
    radius_px : float
        Standard deviation of the Gaussian, sigma; pixels, > 0.
    amount : float
        Weight of what is added, a; > 0.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    radius_px: float = 2.0
    amount: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.radius_px < 1000 or not 0 < self.amount < 1000:
            msg = "radius_px and amount must be greater than 0 and below 1000"
            raise ValueError(f"{msg}, not {self.radius_px} and {self.amount}")

    @property
    def footprint(self) -> Footprint:
        """Four standard deviations, where the Gaussian is cut."""
        return Footprint(reach_px=int(_TRUNCATED_AT * self.radius_px + 0.5), stride_px=1)

    def __call__(self, tiles: NDArray[np.float32]) -> NDArray[np.float32]:
        """Sharpen tiles.

        Parameters
        ----------
        tiles : ndarray of float32, shape (N, 1, Y, X)
            Intensities on any scale.

        Returns
        -------
        ndarray of float32, shape (N, 1, Y, X)
            Sharpened, not clipped.
        """
        from skimage.filters import unsharp_mask

        planes = tiles.reshape(-1, *tiles.shape[-2:])
        sharpened = [
            unsharp_mask(plane, self.radius_px, self.amount, preserve_range=True)
            for plane in planes
        ]
        return np.asarray(sharpened, dtype=np.float32).reshape(tiles.shape)
