"""What networks have in common whose codes move along a line as blur changes."""

from abc import abstractmethod

import torch
from torch import Tensor

from focusfix.latent.line import extrapolate_latents, interpolate_latents
from focusfix.models.base import Restorer


class LatentLineModel(Restorer):
    """A network whose codes move along a straight line as the blur of a field changes.

    Notes
    -----
    Alpha is the weight of the sharper image everywhere: 1 for it, 0 for the blurrier one
    (``docs/decisions/0002-meaning-of-alpha.md``).
    """

    @abstractmethod
    def encode(self, image: Tensor) -> Tensor:
        """Turn images (N, 1, Y, X), scaled to a nominal [0, 1], into codes (N, K, Y', X')."""

    @abstractmethod
    def decode(self, code: Tensor) -> Tensor:
        """Turn codes, or points on lines through them, into images (N, 1, Y, X)."""

    def forward(self, image: Tensor) -> Tensor:
        """Reconstruct images (N, 1, Y, X) from their own codes, with the blur they have."""
        return self.decode(self.encode(image))

    def encode_ends(
        self,
        sharper: Tensor,
        blurrier: Tensor,
        psf: Tensor | None = None,  # noqa: ARG002
    ) -> tuple[Tensor, Tensor]:
        """Turn the two ends of a line into codes.

        Parameters
        ----------
        sharper, blurrier : Tensor, shape (N, 1, Y, X)
            The ends, on one intensity scale; Y and X are multiples of the stride.
        psf : Tensor, shape (S, S), optional
            The point-spread function that made the blurrier image out of the sharper one, if it
            was made so. Models that know where blurring moves a code can use it.

        Returns
        -------
        sharper : Tensor, shape (N, K, Y', X')
            Code of the sharper image.
        blurrier : Tensor, shape (N, K, Y', X')
            Code of the blurrier one.
        """
        codes = self.encode(torch.cat([sharper, blurrier]))
        return codes[: len(sharper)], codes[len(sharper) :]

    def interpolate_images(
        self,
        sharper: Tensor,
        blurrier: Tensor,
        *,
        alpha: float | Tensor,
        psf: Tensor | None = None,
    ) -> Tensor:
        """Synthesise the image between two of one field.

        Parameters
        ----------
        sharper, blurrier : Tensor, shape (N, 1, Y, X)
            The ends, as for :meth:`encode_ends`.
        alpha : float or Tensor, shape (N,)
            Weight of the sharper image; 0 to 1.
        psf : Tensor, shape (S, S), optional
            As for :meth:`encode_ends`.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)

        References
        ----------
        Mazilu, Wang et al., CAIP 2023, eq. (1).
        """
        codes = self.encode_ends(sharper, blurrier, psf)
        return self.decode(interpolate_latents(*codes, alpha=alpha))

    def extrapolate_images(
        self,
        sharper: Tensor,
        blurrier: Tensor,
        *,
        alpha: float | Tensor,
        psf: Tensor | None = None,
    ) -> Tensor:
        """Deblur: continue the line through two images of one field to the focal plane.

        Parameters
        ----------
        sharper, blurrier : Tensor, shape (N, 1, Y, X)
            The ends, as for :meth:`encode_ends`.
        alpha : float or Tensor, shape (N,)
            Position of ``sharper`` between the unseen image in focus (1) and ``blurrier`` (0);
            0 < alpha <= 1.
        psf : Tensor, shape (S, S), optional
            As for :meth:`encode_ends`.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)

        References
        ----------
        Mazilu, Wang et al., CAIP 2023, eq. (2).
        """
        codes = self.encode_ends(sharper, blurrier, psf)
        return self.decode(extrapolate_latents(*codes, alpha=alpha))
