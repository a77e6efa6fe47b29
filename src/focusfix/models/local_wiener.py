r"""Read the blur from the local power spectrum and undo it with a filter made for the place.

Defocus multiplies the spectrum of an image by a ring-shaped transfer function, and the camera adds
noise that is even over frequencies. Both show in the power spectrum of a neighbourhood: dark rings
give the blur, the floor gives the noise. The best linear filter for the neighbourhood, Wiener's
:math:`W = H^* / (|H|^2 + N/S)`, depends on nothing else, so a small network that sees the power of
every ring can predict the gain of every ring. Gains are mixed from a learned basis,

.. math:: g_j(x, \rho) = p_j(\rho) + \sum_b c_{jb}(x)\, B_b(\rho),

so that the filtered image is a mix of as many convolutions as the basis has members:

.. math:: y_j = \check p_j * x + \sum_b c_{jb} \odot (\check B_b * x),

where :math:`\rho` is spatial frequency, :math:`\check B` the filter with that radial gain, cut to
a finite support, and the coefficients :math:`c` are interpolated between neighbourhoods. A filter
of the mean leaves even regions as they are: every profile is one and every basis member zero at
zero frequency.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.models.base import cut_margin
from focusfix.models.enlarging import enlarge_bilinear
from focusfix.models.radial_filter import RadialFilter, with_margin, with_zero_frequency
from focusfix.models.reach import Span, join
from focusfix.models.rings import ring_matrix, taper_window

_POWER_FLOOR = 1e-8
_SCALES = (1, 2)
_WINDOWS_AT_A_TIME = 64


class LocalWiener(nn.Module):
    """Filter an image by what the power spectrum of each neighbourhood asks for.

    Parameters
    ----------
    outputs : int
        Filtered images, each with gains of its own.
    rank : int
        Members of the basis.
    hidden : int
        Width of the network from powers to coefficients.
    window_px : int
        Side of the windows whose power is measured, at full and at half size; a multiple of 6.
    support_px : int
        Half the side of the filters.
    """

    feature_mean: Tensor
    feature_spread: Tensor
    rings: Tensor
    taper: Tensor

    def __init__(
        self, *, outputs: int, rank: int, hidden: int, window_px: int, support_px: int
    ) -> None:
        super().__init__()
        self.outputs, self.rank = outputs, rank
        self.window_px, self.support_px = window_px, support_px
        self.profiles = nn.Parameter(torch.ones(outputs, support_px))
        self.basis = nn.Parameter(0.1 * torch.randn(rank, support_px))
        features = 2 * len(_SCALES) * (window_px // 2)
        self.register_buffer("feature_mean", torch.zeros(features))
        self.register_buffer("feature_spread", torch.full((features,), 2.0))
        self.first = nn.Conv2d(features, hidden, 1)
        self.second = nn.Conv2d(hidden, hidden, 1)
        self.coefficients = nn.Conv2d(hidden, outputs * rank, 1)
        nn.init.zeros_(self.coefficients.weight)
        nn.init.zeros_(self.coefficients.bias)  # type: ignore[arg-type]
        self.register_buffer("rings", ring_matrix(window_px), persistent=False)
        self.register_buffer("taper", taper_window(window_px), persistent=False)
        self.radial = RadialFilter(support_px)

    @property
    def hop_px(self) -> int:
        """Distance of neighbourhoods, which is the grid the layer is shift-equivariant on."""
        return self.window_px // 3

    def input_span(self, output: Span) -> Span:
        """Trace output pixels back to the image, through filters and coefficients."""
        cells = output.before_bilinear_enlarging(self.hop_px)
        return join(output.before_convolution(self.support_px), self.code_span(cells))

    def code_span(self, cells: Span) -> Span:
        """Trace neighbourhoods, each with those around it, back to the image."""
        hop, margin = self.hop_px, _SCALES[-1] * self.window_px // 2 - self.hop_px // 2
        cells = cells.before_convolution(1)
        return Span(cells.first * hop - margin, (cells.last + 1) * hop - 1 + margin)

    def forward(self, image: Tensor, margin_px: int = 0) -> tuple[Tensor, Tensor]:
        """Filter a batch of images.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Scaled intensities; Y and X multiples of ``hop_px``.
        margin_px : int
            Pixels on every side that serve as context only; a multiple of ``hop_px``.

        Returns
        -------
        filtered : Tensor, shape (N, outputs, Y - 2 * margin_px, X - 2 * margin_px)
        code : Tensor, shape (N, hidden, (Y - 2 * margin_px) / hop, (X - 2 * margin_px) / hop)
            What was read from the power spectra.
        """
        with torch.autocast(image.device.type, enabled=False):
            image = image.to(self.basis.dtype)
            ring = 1 if margin_px >= 2 * self.hop_px else 0
            code = self.read(self.measure(image, margin_px - ring * self.hop_px))
            filtered = self._filter(image, self.coefficients(code), margin_px, ring)
            return filtered, cut_margin(code, ring)

    def measure(self, image: Tensor, margin_px: int = 0) -> Tensor:
        """Measure the logarithm of the power of every ring around every neighbourhood.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            As for :meth:`forward`.
        margin_px : int
            As for :meth:`forward`.

        Returns
        -------
        Tensor, shape (N, features, (Y - 2 * margin_px) / hop, (X - 2 * margin_px) / hop)
            Rings of the full-size, then of the half-size image, low frequencies first; then the
            same for the mean power of the neighbourhood and the eight around it.
        """
        around_px = self.hop_px if margin_px else 0
        powers = []
        for scaled, scale in self._scaled(image):
            hop, cut = self.hop_px // scale, (margin_px - around_px) // scale
            windowed = with_margin(scaled, cut, (self.window_px - hop) // 2)
            powers.append(self._ring_powers(windowed, hop))
        near = torch.cat(powers, dim=1)
        around = F.avg_pool2d(near, 3, stride=1, padding=1, count_include_pad=False)
        log_powers = torch.log(torch.cat([near, around], dim=1) + _POWER_FLOOR)
        return cut_margin(log_powers, around_px // self.hop_px)

    def measure_middle(self, image: Tensor) -> Tensor:
        """Measure the middle of images only; shapes as for :meth:`measure`, with one place each.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Sides of at least twice ``window_px`` plus twice ``hop_px``.

        Returns
        -------
        Tensor, shape (N, features, 1, 1)
        """
        powers = []
        for scaled, scale in self._scaled(image):
            hop = self.hop_px // scale
            side = self.window_px + 2 * hop
            top, left = ((size - side) // 2 for size in scaled.shape[-2:])
            powers.append(self._ring_powers(scaled[..., top : top + side, left : left + side], hop))
        nine = torch.cat(powers, dim=1)
        around = nine.mean(dim=(-2, -1), keepdim=True)
        return torch.log(torch.cat([nine[..., 1:2, 1:2], around], dim=1) + _POWER_FLOOR)

    def _scaled(self, image: Tensor) -> Iterator[tuple[Tensor, int]]:
        for scale in _SCALES:
            yield (F.avg_pool2d(image, scale) if scale > 1 else image), scale

    def _ring_powers(self, image: Tensor, hop: int) -> Tensor:
        """Take windows by the row, few at a time: what they need then stays in the cache."""
        windows = image.unfold(2, self.window_px, hop).unfold(3, self.window_px, hop)[:, 0]
        n_rows = max(_WINDOWS_AT_A_TIME // (windows.shape[0] * windows.shape[2]), 1)
        powers = [self._powers_of(rows) for rows in torch.split(windows, n_rows, dim=1)]
        return (torch.cat(powers, dim=1) / self.taper.square().sum()).permute(0, 3, 1, 2)

    def _powers_of(self, windows: Tensor) -> Tensor:
        tapered = windows * self.taper
        mean = tapered.sum(dim=(-2, -1), keepdim=True) / self.taper.sum()
        spectrum = torch.fft.rfft2(tapered.addcmul_(mean, self.taper, value=-1))
        power: Tensor = spectrum.real.square().addcmul_(spectrum.imag, spectrum.imag)
        return power.flatten(-2) @ self.rings

    def read(self, log_powers: Tensor) -> Tensor:
        """Encode log powers, whatever the contrast of the image.

        Parameters
        ----------
        log_powers : Tensor, shape (N, features, Y, X)
            From :meth:`measure`.

        Returns
        -------
        Tensor, shape (N, hidden, Y, X)
        """
        features = self.relative(log_powers) - self.feature_mean[:, None, None]
        hidden = F.relu(self.first(features / self.feature_spread[:, None, None]))
        code: Tensor = F.relu(self.second(hidden))
        return code

    def relative(self, log_powers: Tensor) -> Tensor:
        """Take log powers relative to their mean over the rings; shapes as in :meth:`read`."""
        parts = [part - part.mean(dim=1, keepdim=True) for part in log_powers.chunk(2, dim=1)]
        return torch.cat(parts, dim=1)

    def gains(self, coefficients: Tensor) -> Tensor:
        """Mix the gain of every ring.

        Parameters
        ----------
        coefficients : Tensor, shape (N, outputs * rank)
            Weights of the members of the basis, output by output.

        Returns
        -------
        Tensor, shape (N, outputs, support_px + 1)
            At frequencies 0 to 1/2 cycle per pixel, before the filters are cut to their support.
        """
        weights = coefficients.reshape(-1, self.outputs, self.rank)
        return with_zero_frequency(self.profiles + weights @ self.basis, 1.0)

    def _filter(self, image: Tensor, cells: Tensor, margin_px: int, ring: int) -> Tensor:
        """Mix convolutions of the image without its margin; cells reach a ring beyond the rest."""
        prepared = self.radial.prepare(with_margin(image, margin_px, self.support_px))
        profiles = with_zero_frequency(self.profiles, 1.0)
        convolved = prepared.convolved(torch.cat([profiles, with_zero_frequency(self.basis, 0.0)]))
        filtered = torch.cat([next(convolved) for _ in profiles], dim=1)
        for index, change in enumerate(convolved):
            weights = enlarge_bilinear(cells[:, index :: self.rank], self.hop_px, ring=ring)
            filtered.addcmul_(weights, change)
        return filtered
