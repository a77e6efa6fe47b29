r"""A U-Net that chooses among deconvolutions: the default network.

Defocus is close to a convolution with a disc whose radius is unknown. A bank of short Wiener
filters, one per radius, deconvolves the image for each radius at once; the same bank applied to
the image at half, quarter and eighth size covers the larger radii. A U-Net looks at all
candidates, decides per pixel and size which of them to believe, and adds what linear filters
cannot know. From the smallest size up, with the image :math:`x_s` at size :math:`1/s`, the bank
:math:`b_k`, and bilinear upsampling :math:`U`,

.. math::

    d_s = U(d_{2s}) + \sum_k w_{s,k} \odot (b_k * x_s - x_s) + r_s, \qquad \hat y = x_1 + d_1,

where the weights :math:`w` and the remainders :math:`r` are predicted by the decoder at each
size. At the smallest size the U-Net also sees the logarithm of the local energy of every
change :math:`b_k * x_s - x_s`: a coarse power spectrum, from which the blur can be read whatever
the contrast. With weights and remainders at zero the image comes back unchanged, which is how
training starts. The bank starts as Wiener filters of discs and is trained with the rest.

References
----------
The idea of feeding Wiener-deconvolved candidates to a U-Net is known from computational imaging
(Yanny et al., Optica 9, 2022, "MultiWienerNet").
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from focusfix.footprint import Footprint
from focusfix.models.base import Restorer, check_image
from focusfix.models.reach import Span, farthest_reach, join

_DESIGN_GRID_PX = 256
_NOISE_TO_SIGNAL = 0.004
_ENERGY_FLOOR = 1e-6


def disc_transfer(radius_px: float) -> NDArray[np.float64]:
    """Compute the transfer function of a blur disc on the design grid.

    Parameters
    ----------
    radius_px : float
        Radius of the disc; pixels.

    Returns
    -------
    ndarray, shape (256, 256), float64
        Real transfer function, zero frequency first, one at zero frequency.
    """
    axis = np.fft.fftfreq(_DESIGN_GRID_PX) * _DESIGN_GRID_PX
    distance = np.hypot(axis[:, None], axis[None, :])
    disc = np.clip(radius_px + 0.5 - distance, 0, 1)
    return np.asarray(np.fft.fft2(disc / disc.sum()).real)


def wiener_filter(radius_px: float, size_px: int, noise_to_signal: float) -> NDArray[np.float32]:
    r"""Design a finite Wiener filter for a blur disc.

    .. math:: W = H / (H^2 + \epsilon)

    brought to the image plane, tapered to ``size_px`` and scaled to keep the mean intensity.

    Parameters
    ----------
    radius_px : float
        Radius of the disc to undo; pixels.
    size_px : int
        Odd side length of the filter.
    noise_to_signal : float
        Regularisation epsilon, dimensionless, > 0.

    Returns
    -------
    ndarray, shape (size_px, size_px), float32
        Sums to one.
    """
    transfer = disc_transfer(radius_px)
    response = np.fft.fftshift(np.fft.ifft2(transfer / (transfer**2 + noise_to_signal)).real)
    middle, half = _DESIGN_GRID_PX // 2, size_px // 2
    cut = response[middle - half : middle + half + 1, middle - half : middle + half + 1]
    taper = np.hanning(size_px + 2)[1:-1]
    filter_ = cut * np.sqrt(np.outer(taper, taper))
    return np.asarray(filter_ / filter_.sum(), dtype=np.float32)


class _ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut, weighed by a gate so that blur can select filters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.gate = nn.Conv2d(width, width, 1)
        nn.init.zeros_(self.gate.weight)
        nn.init.zeros_(self.gate.bias)  # type: ignore[arg-type]

    def forward(self, features: Tensor) -> Tensor:
        change: Tensor = self.second(F.relu(self.first(features)))
        return features + change * torch.sigmoid(self.gate(features))


class WienerUNet(Restorer):
    """Choose per pixel among Wiener deconvolutions and add the remainder.

    Parameters
    ----------
    widths : sequence of int
        Feature channels at 1/2, 1/4, 1/8, ... of the input size.
    bank_radii_px : sequence of float
        Radii of the blur discs that the bank undoes, at every scale; pixels of that scale.
    bank_size_px : int
        Odd side length of the filters of the bank.
    bottom_blocks : int
        Residual blocks at the smallest size; the other levels have one on the way down and one
        on the way up.
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (24, 48, 96),
        bank_radii_px: Sequence[float] = (0.8, 1.1, 1.5, 2.0, 2.6, 3.4, 4.2, 5.2),
        bank_size_px: int = 15,
        bottom_blocks: int = 2,
    ) -> None:
        super().__init__()
        _check_hyperparameters(widths, bank_radii_px, bank_size_px, bottom_blocks)
        self.hyperparameters = {
            "widths": list(widths),
            "bank_radii_px": list(bank_radii_px),
            "bank_size_px": bank_size_px,
            "bottom_blocks": bottom_blocks,
        }
        candidates, levels = len(bank_radii_px), len(widths)
        self.candidates = candidates
        bank = np.stack([wiener_filter(r, bank_size_px, _NOISE_TO_SIGNAL) for r in bank_radii_px])
        self.bank = nn.Parameter(torch.from_numpy(bank)[:, None].clone())
        inputs = [4 * (candidates + 1) + candidates] + [
            narrow + candidates for narrow in widths[:-1]
        ]
        inputs[-1] += candidates * (levels + 1)
        self.enter = nn.ModuleList(
            nn.Conv2d(count, width, 3, padding=1)
            for count, width in zip(inputs, widths, strict=True)
        )
        self.down = nn.ModuleList(
            _stack(width, bottom_blocks if width_index == levels - 1 else 1)
            for width_index, width in enumerate(widths)
        )
        self.widen = nn.ModuleList(
            nn.Conv2d(widths[i + 1], widths[i], 1) for i in range(levels - 1)
        )
        self.up = nn.ModuleList(_stack(width, 1) for width in widths[:-1])
        self.heads = nn.ModuleList(nn.Conv2d(w, candidates + 1, 3, padding=1) for w in widths)
        self.leave = nn.Conv2d(widths[0], candidates + 4, 3, padding=1)
        for head in (*self.heads, self.leave):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    @property
    def footprint(self) -> Footprint:
        """Reach and stride, traced layer by layer."""
        stride = 2 ** len(self.enter)
        return Footprint(reach_px=farthest_reach(self._input_span, stride), stride_px=stride)

    def _input_span(self, output: Span) -> Span:
        """Trace output pixels back to the image, through the decoder and then the encoder."""
        bank = self.bank.shape[-1] // 2
        seen, skips = self._decoder_spans(output, bank)
        below: Span | None = None
        for level in range(len(self.enter) - 1, -1, -1):
            entered = join(skips[level], below).before_convolution(2 * len(self.down[level]) + 1)  # type: ignore[arg-type]
            seen.append(_enlarged(entered.before_convolution(bank), level + 1))
            below = entered.before_pooling()
            if level in (0, len(self.enter) - 1):  # the image itself; every size, for its energy
                finer = _enlarged(entered, level + 1)
                seen.append(finer.before_convolution(bank))
        return join(*seen)

    def _decoder_spans(self, output: Span, bank: int) -> tuple[list[Span], list[Span]]:
        """Trace output pixels back to the image (through the changes) and to the skips."""
        change = output.before_bilinear_doubling()
        features = join(output.before_doubling(), change).before_convolution(1)
        seen, skips = [output.before_convolution(bank)], []
        for level in range(len(self.enter)):
            seen.append(_enlarged(change.before_convolution(bank), level + 1))
            features = join(features, change.before_convolution(1))
            if level < len(self.up):
                features = features.before_convolution(2)
            skips.append(features)
            features = features.before_doubling()
            change = change.before_bilinear_doubling()
        return seen, skips

    def forward(self, image: Tensor) -> Tensor:
        """Restore a batch of images.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            Scaled intensities; Y and X multiples of ``footprint.stride_px``.

        Returns
        -------
        Tensor, shape (N, 1, Y, X)
        """
        return self.training_outputs(image)[0]

    def training_outputs(self, image: Tensor) -> list[Tensor]:
        """Restore a batch of images at every size.

        Parameters
        ----------
        image : Tensor, shape (N, 1, Y, X)
            As for :meth:`forward`.

        Returns
        -------
        list of Tensor, shapes (N, 1, Y / s, X / s)
            Finest first, s = 1, 2, 4, ...
        """
        check_image(image, channels=1, stride_px=self.footprint.stride_px)
        images = [image]
        for _ in self.enter:
            images.append(F.avg_pool2d(images[-1], 2))
        changes = [self._candidates(scaled) - scaled for scaled in images]
        skips = self._encode(image, changes)
        outputs: list[Tensor] = []
        features = skips[-1]
        change = torch.zeros_like(images[-1])
        for level in range(len(self.heads) - 1, -1, -1):
            if outputs:
                wider = F.interpolate(self.widen[level](features), scale_factor=2.0)
                features = self.up[level](wider + skips[level])
                change = _double(change)
            weights = self.heads[level](features)
            change = change + _mix(weights, changes[level + 1]) + weights[:, -1:]
            outputs.insert(0, images[level + 1] + change)
        finest = self.leave(features)
        weights = _double(finest[:, : self.candidates])
        change = _double(change) + _mix(weights, changes[0])
        return [image + change + F.pixel_shuffle(finest[:, self.candidates :], 2), *outputs]

    def _candidates(self, image: Tensor) -> Tensor:
        return F.conv2d(image, self.bank, padding=self.bank.shape[-1] // 2)

    def _encode(self, image: Tensor, changes: list[Tensor]) -> list[Tensor]:
        features = F.pixel_unshuffle(torch.cat([image, changes[0]], dim=1), 2)
        skips: list[Tensor] = []
        for level, (enter, down) in enumerate(zip(self.enter, self.down, strict=True)):
            if level:
                features = F.avg_pool2d(features, 2)
            features = torch.cat([features, changes[level + 1]], dim=1)
            if level == len(self.enter) - 1:
                features = torch.cat([features, *_log_energies(changes)], dim=1)
            features = down(F.relu(enter(features)))
            skips.append(features)
        return skips


def _enlarged(span: Span, poolings: int) -> Span:
    for _ in range(poolings):
        span = span.before_pooling()
    return span


def _log_energies(changes: list[Tensor]) -> list[Tensor]:
    coarsest = len(changes) - 1
    energies = [F.avg_pool2d(c.square(), 2 ** (coarsest - i)) for i, c in enumerate(changes)]
    return [(torch.log(e + _ENERGY_FLOOR) + 7) / 4 for e in energies]


def _mix(weights: Tensor, changes: Tensor) -> Tensor:
    return (weights[:, : changes.shape[1]] * changes).sum(dim=1, keepdim=True)


def _double(image: Tensor) -> Tensor:
    return F.interpolate(image, scale_factor=2.0, mode="bilinear", align_corners=False)


def _check_hyperparameters(
    widths: Sequence[int], radii_px: Sequence[float], size_px: int, blocks: int
) -> None:
    if len(widths) < 2 or min(widths) < 1 or blocks < 1:
        raise ValueError("WienerUNet needs at least two widths and one block, all positive")
    if size_px < 1 or size_px % 2 == 0 or not radii_px:
        raise ValueError("WienerUNet needs an odd bank_size_px and at least one radius")


def _stack(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(_ResidualBlock(width) for _ in range(blocks)))
