r"""A latent line that keeps detail: content, weighed by how sharp it is.

A :class:`~focusfix.models.wiener_unet.WienerUNet` estimates what the field looks like in focus,
:math:`s`, and reads the blur radius :math:`r` from local power spectra. The code holds, pixel by
pixel, sharpness and content weighed by it,

.. math:: z = (w,\ c\, w s), \qquad w = 1 - \psi(r) / R,

so that the codes of one field at all its blur levels lie on the line through :math:`(1, c s)` and
the origin, and the direction of a code is its content. (The constant c says how much content
counts beside sharpness where codes are compared. The spacing :math:`\psi`, a monotone function
fitted on series of levels, evens out what readings far from focus fall short of.) Decoding divides,
and blurs the content by the radius that the sharpness stands for:

.. math:: D(z) = h_{\psi^{-1}(R (1 - z_0))} * \frac{z_1}{c\, z_0}

In a mixture of two codes the sharper image counts for more, in proportion to its sharpness.
Extrapolated to :math:`z_0 = 1`, where nothing is blurred, a mixture is the estimate in focus.

What reconstruction loses (noise, and detail that the estimate does not explain) is not lost in
synthesis: the residuals :math:`x - D(E(x))` of both ends are mixed like the codes, so that alpha 1
and 0 give back the images themselves. Extrapolation would amplify residuals and leaves them out.
"""

from collections.abc import Sequence
from functools import cached_property

import torch
from torch import Tensor

from focusfix.footprint import Footprint
from focusfix.latent.line import interpolate_latents
from focusfix.models.base import check_image, check_integer
from focusfix.models.blur_ladder import BlurLadder
from focusfix.models.blur_reading import FARTHEST_PX, KNOTS, BlurReading, interpolate_knots
from focusfix.models.enlarging import enlarge_bilinear
from focusfix.models.line_model import LatentLineModel
from focusfix.models.reach import Span, farthest_reach, join
from focusfix.models.wiener_unet import WienerUNet

HALF_OF_DISC = 2.2151
"""Where the transfer of a disc, 2 J1(x) / x, is one half."""

_FREQUENCIES = 4096
LEAST_SHARPNESS = 0.02
"""Sharpness that codes of the blurriest images have; keeps their content readable."""


class LatentLine(LatentLineModel):
    """Code images as content and sharpness; move along the line between two codes.

    Parameters
    ----------
    widths, blocks, rank, hidden, window_px, support_px
        As for :class:`~focusfix.models.wiener_unet.WienerUNet`, which estimates the content;
        ``support_px`` is also half the side of the blurring filters.
    reading_hidden : int
        Channels of the layer that reads blur radii.
    content_share : float
        Weight c of content in the code; 0 < c <= 1. Images do not depend on it, only distances
        between codes do.

    Attributes
    ----------
    spacing : Tensor, shape (13,)
        The function psi at blur radii of 0, 3, 6, ... 36 pixels; ascending, 0 to 36.
    """

    spacing: Tensor

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 96),
        blocks: int = 1,
        rank: int = 24,
        hidden: int = 256,
        window_px: int = 96,
        support_px: int = 80,
        reading_hidden: int = 128,
        content_share: float = 0.5,
    ) -> None:
        super().__init__()
        check_integer("reading_hidden", reading_hidden, 1024)
        if not 0 < content_share <= 1:
            msg = f"content_share must be in (0, 1], got {content_share}"
            raise ValueError(msg)
        self.content_share = content_share
        self.content = WienerUNet(
            widths=widths,
            blocks=blocks,
            rank=rank,
            hidden=hidden,
            window_px=window_px,
            support_px=support_px,
        )
        self.reading = BlurReading(hidden, reading_hidden)
        self.ladder = BlurLadder(support_px)
        self.register_buffer("spacing", torch.linspace(0, FARTHEST_PX, KNOTS))
        self.hyperparameters = {
            **self.content.hyperparameters,
            "reading_hidden": reading_hidden,
            "content_share": content_share,
        }

    @cached_property
    def footprint(self) -> Footprint:
        """Reach and stride, traced layer by layer; for codes that were moved as well."""
        stride = self.content.footprint.stride_px
        return Footprint(reach_px=farthest_reach(self._input_span, stride), stride_px=stride)

    def _input_span(self, output: Span) -> Span:
        pixels = join(output, self.ladder.input_span(output))
        return join(self.content.input_span(pixels), self.blur_span(pixels))

    def encode(self, image: Tensor) -> Tensor:
        """Turn images into codes.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Intensities scaled to a nominal [0, 1]; Y and X are multiples of the stride.

        Returns
        -------
        Tensor, shape (N, 2, Y, X)
            Sharpness, 0.02 to 1, and content weighed by it and by ``content_share``.

        Raises
        ------
        ValueError
            If the number of channels or the size does not fit.
        """
        check_image(image, channels=1, stride_px=self.content.footprint.stride_px)
        content, code = self.content.restore_and_read(image)
        radius, _ = self.reading(code)
        weight = enlarge_bilinear(self.sharpness_of(radius), self.content.footprint.stride_px)
        return torch.cat([weight, self.content_share * weight * content], dim=1)

    def decode(self, code: Tensor) -> Tensor:
        """Turn codes into images.

        Parameters
        ----------
        code : Tensor, shape (N, 2, Y, X)
            Codes of :meth:`encode`, or points on the lines through them.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)
            Images on the nominal scale; sharpness beyond 1 counts as 1.

        Raises
        ------
        ValueError
            If the number of channels does not fit.
        """
        check_image(code, channels=2, stride_px=1)
        weight, weighed = code.chunk(2, dim=1)
        content = weighed / (self.content_share * weight.clamp_min(LEAST_SHARPNESS))
        blurred: Tensor = self.ladder(content, self.radius_of(weight))
        return blurred

    def radius_of(self, sharpness: Tensor) -> Tensor:
        """Turn sharpness into the blur radius that it stands for, pixels; any shape."""
        knots = torch.linspace(0, FARTHEST_PX, KNOTS).to(self.spacing)
        place = FARTHEST_PX * (1 - sharpness.clamp(0, 1))
        return interpolate_knots(place, self.spacing, knots)

    def sharpness_of(self, radius_px: Tensor) -> Tensor:
        """Turn blur radii into sharpness, 0.02 to 1; any shape."""
        knots = torch.linspace(0, FARTHEST_PX, KNOTS).to(self.spacing)
        place = interpolate_knots(radius_px, knots, self.spacing)
        return (1 - place / FARTHEST_PX).clamp_min(LEAST_SHARPNESS)

    def encode_ends(
        self, sharper: Tensor, blurrier: Tensor, psf: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        r"""Turn the two ends of a line into codes; see base.

        A copy that was blurred on purpose has the content of the image, and its blur is known to
        be :math:`\sqrt{r^2 + r_h^2}` with the radius of the PSF. It is not read: blurred noise
        looks like structure.
        """
        if psf is None:
            return super().encode_ends(sharper, blurrier)
        code = self.encode(sharper)
        weight = code[:, :1]
        radius = torch.hypot(self.radius_of(weight), half_contrast_radius_px(psf).to(weight))
        return code, code * (self.sharpness_of(radius) / weight)

    def interpolate_images(
        self,
        sharper: Tensor,
        blurrier: Tensor,
        *,
        alpha: float | Tensor,
        psf: Tensor | None = None,
    ) -> Tensor:
        """Synthesise the image between two of one field, with the residuals of both; see base."""
        codes = self.encode_ends(sharper, blurrier, psf)
        images = (sharper, blurrier)
        residuals = (image - self.decode(code) for image, code in zip(images, codes, strict=True))
        mixed = self.decode(interpolate_latents(*codes, alpha=alpha))
        return mixed + interpolate_latents(*residuals, alpha=alpha)

    def read_blur(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Tell how far out of focus each neighbourhood is.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            As for :meth:`encode`.

        Returns
        -------
        radius_px : Tensor, shape (N, 1, Y / stride, X / stride)
            Blur radius; see :class:`~focusfix.models.blur_reading.BlurReading`.
        spread_px : Tensor, shape (N, 1, Y / stride, X / stride)
            Its expected error.
        """
        check_image(image, channels=1, stride_px=self.content.footprint.stride_px)
        filters = self.content.filters
        radius, spread = self.reading(filters.read(filters.measure(image)))
        return radius, spread

    def blur_like(self, image: Tensor, of: Tensor) -> tuple[Tensor, Tensor]:
        """Blur an image as much as another one of the same field is blurred.

        Parameters
        ----------
        image, of : Tensor, shape (N, 1, Y, X)
            What to blur, and the image whose blur is read; Y and X are multiples of the stride.

        Returns
        -------
        blurred : Tensor, shape (N, 1, Y, X)
            The result.
        radius_px : Tensor, shape (N, 1, Y, X)
            Blur radius at each pixel.
        """
        radius = enlarge_bilinear(self.read_blur(of)[0], self.content.footprint.stride_px)
        return self.ladder(image, radius), radius

    def blur_span(self, output: Span) -> Span:
        """Trace pixels of :meth:`blur_like` back to the image whose blur is read."""
        cells = output.before_bilinear_enlarging(self.content.footprint.stride_px)
        return self.content.filters.code_span(self.reading.code_span(cells))

    def best_alpha(self, sharper: Tensor, blurrier: Tensor, psf: Tensor | None = None) -> float:
        r"""Tell the alpha at which extrapolation ends in focus, where sharpness is 1.

        .. math:: \alpha = \frac{w_b - w_c}{1 - w_c}

        Parameters
        ----------
        sharper, blurrier, psf
            As for :meth:`extrapolate_images`.

        Returns
        -------
        float
            In (0, 1]; 0.02 at least. 1 where the sharper image is in focus already, or is not
            the sharper one.
        """
        codes = self.encode_ends(sharper, blurrier, psf)
        first, second = (float(code[:, :1].mean()) for code in codes)
        if first <= second:
            return 1.0
        return min(max((first - second) / (1 - second), LEAST_SHARPNESS), 1.0)


def half_contrast_radius_px(psf: Tensor) -> Tensor:
    r"""Measure a PSF by the disc whose transfer falls to one half at the same frequency.

    Parameters
    ----------
    psf : Tensor, shape (S, S)
        Round; sums to one.

    Returns
    -------
    Tensor, shape ()
        Pixels; 0 for a PSF that keeps more than half the contrast of the finest detail.
    """
    line = psf.double().sum(dim=0)
    places = torch.arange(len(line), device=line.device) - len(line) // 2
    frequencies = torch.arange(1, _FREQUENCIES + 1, device=line.device) / (2 * _FREQUENCIES)
    transfer = torch.cos(2 * torch.pi * frequencies[:, None].double() * places) @ line
    below = torch.nonzero(transfer < 0.5)
    if not len(below):
        return line.new_zeros(())
    return HALF_OF_DISC / (2 * torch.pi * frequencies[below[0, 0]])
