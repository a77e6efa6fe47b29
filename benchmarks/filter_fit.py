r"""Fit the linear part of a Wiener U-Net before the network is trained.

A filter whose gain depends on the ring only changes every ring of a spectrum by its own factor, so
the squared error of a filtered image follows from three sums per ring,

.. math:: E(g) = \sum_\rho g_\rho^2 A_\rho - 2 g_\rho C_\rho + D_\rho,

with the power A of the blurred image, the cross power C and the power D of the truth. No image has
to be filtered while fitting, and tens of thousands of pairs are learned from within a minute.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from focusfix.data.simulate import DefocusSimulator
from focusfix.models.local_wiener import LocalWiener
from focusfix.models.radial_filter import with_zero_frequency
from focusfix.models.rings import ring_radii

ERROR_FLOOR = 1e-6
BOLD_NOISE_SHARE = 0.15
BOLD_WEIGHT = 0.5
DROPOUT = 0.2
HELD_OUT = 20
"""One pair of so many is not fitted to, only scored."""


class RingStatistics(NamedTuple):
    """What the fit needs to know of many pairs.

    Parameters
    ----------
    log_powers : Tensor, shape (P, features)
        Of the middle of the blurred image, as the network will measure them.
    blurred, cross, truth : Tensor, shape (P, rings)
        Power per ring, scaled so that its sum is a mean square.
    """

    log_powers: Tensor
    blurred: Tensor
    cross: Tensor
    truth: Tensor


def measure_pairs(
    simulator: DefocusSimulator, layer: LocalWiener, indices: Sequence[int]
) -> RingStatistics:
    """Draw pairs and keep their sums per ring only."""
    rows = [_measure_pair(simulator, layer, index) for index in indices]
    return RingStatistics(*(torch.stack(column) for column in zip(*rows, strict=True)))


def _measure_pair(
    simulator: DefocusSimulator, layer: LocalWiener, index: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    pair = simulator.periodic_pair(index)
    blurry, truth = (torch.from_numpy(i) for i in (pair.out_of_focus, pair.in_focus))
    side = blurry.shape[-1]
    with torch.no_grad():
        log_powers = layer.measure_middle(blurry[None, None])[0, :, 0, 0]
    spectra = [torch.fft.rfft2(i) / side**2 for i in (blurry, truth)]
    for spectrum in spectra:
        spectrum[0, 0] = 0
    ring, count = _rings(side)
    powers = [
        torch.zeros(count).index_add(0, ring, (a.conj() * b).real.ravel() * _doubled(side))
        for a, b in ((spectra[0], spectra[0]), (spectra[0], spectra[1]), (spectra[1], spectra[1]))
    ]
    return log_powers, powers[0], powers[1], powers[2]


def fit_filters(
    layer: LocalWiener,
    statistics: RingStatistics,
    *,
    field_px: int,
    epochs: int,
    report: Callable[[str], None],
) -> None:
    """Fit profiles, basis and the reading network of a layer, in place.

    Parameters
    ----------
    layer : LocalWiener
        With two outputs: smallest error, and bolder (as if the noise power were smaller).
    statistics : RingStatistics
        Of the pairs to learn from.
    field_px : int
        Side of the fields the statistics were measured on.
    epochs : int
        Passes over the pairs.
    report : callable
        Takes a line of text, now and then.
    """
    layer.requires_grad_(requires_grad=True)
    _standardise(layer, statistics.log_powers)
    responses = _ring_responses(layer, field_px)
    held_out = torch.arange(len(statistics.truth)) % HELD_OUT == 0
    learned = torch.nonzero(~held_out).ravel()
    steps = epochs * len(learned) // 128
    optimizer = torch.optim.Adam(layer.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for step in range(steps):
        chosen = learned[torch.randint(len(learned), (128,))]
        gains = _log_errors(layer, _take(statistics, chosen), responses, dropout=DROPOUT)
        loss = gains[0].mean() + BOLD_WEIGHT * gains[1].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(layer.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if (step + 1) % (steps // 5) == 0:
            with torch.no_grad():
                gains = _log_errors(layer, _take(statistics, held_out), responses, dropout=0.0)
            report(f"filters, step {step + 1}: {-10 * float(gains[0].mean()):.2f} dB on held-out")
    layer.requires_grad_(requires_grad=False)


def filter_fields(layer: LocalWiener, fields: Tensor) -> tuple[Tensor, Tensor]:
    """Filter periodic fields, each by what is read from its middle.

    Parameters
    ----------
    layer : LocalWiener
        Fitted.
    fields : Tensor, shape (N, 1, F, F)
        Blurred fields that continue at their opposite borders.

    Returns
    -------
    filtered : Tensor, shape (N, outputs, F, F)
    code : Tensor, shape (N, hidden, 1, 1)
    """
    side = fields.shape[-1]
    code = layer.read(layer.measure_middle(fields))
    gains = layer.gains(layer.coefficients(code)[..., 0, 0])
    kernels = torch.stack([layer.radial.kernels(of_one) for of_one in gains])
    transfer = torch.fft.rfft2(kernels, (side, side))
    filtered = torch.fft.irfft2(torch.fft.rfft2(fields) * transfer, (side, side))
    back = 1 - layer.support_px
    return torch.roll(filtered, (back, back), dims=(-2, -1)), code


def _log_errors(
    layer: LocalWiener,
    pairs: RingStatistics,
    responses: tuple[Tensor, Tensor],
    *,
    dropout: float,
) -> Tensor:
    """Return the log error over that of doing nothing, per output and pair."""
    code = F.dropout(layer.read(pairs.log_powers[..., None, None]), dropout)
    mixed = layer.gains(layer.coefficients(code)[..., 0, 0])[..., 1:]
    gains = responses[0] + mixed @ responses[1]
    coherent = pairs.cross.square() / pairs.truth.clamp_min(1e-20)
    noise = (pairs.blurred - coherent).clamp_min(0)
    logs = []
    for output, share in enumerate((1.0, BOLD_NOISE_SHARE)):
        power, gain = pairs.blurred - (1 - share) * noise, gains[:, output]
        error = (gain.square() * power - 2 * gain * pairs.cross + pairs.truth).sum(dim=1)
        before = (power - 2 * pairs.cross + pairs.truth).sum(dim=1)
        logs.append(
            torch.log10((error.clamp_min(0) + ERROR_FLOOR) / (before.clamp_min(0) + ERROR_FLOOR))
        )
    return torch.stack(logs)


def _take(statistics: RingStatistics, chosen: Tensor) -> RingStatistics:
    return RingStatistics(*(values[chosen] for values in statistics))


def _standardise(layer: LocalWiener, log_powers: Tensor) -> None:
    relative = layer.relative(log_powers[..., None, None])[..., 0, 0]
    layer.feature_mean.copy_(relative.mean(dim=0))
    layer.feature_spread.copy_(relative.std(dim=0) + 0.05)


def _ring_responses(layer: LocalWiener, field_px: int) -> tuple[Tensor, Tensor]:
    """Return what the finite filters of the nodes do to the rings of a field.

    Returns
    -------
    at_zero : Tensor, shape (rings,)
        Of a filter whose gain is one at zero frequency and zero at all nodes.
    nodes : Tensor, shape (support_px, rings)
        Of a filter whose gain is one at one node.
    """
    ring, count = _rings(field_px)
    members = torch.zeros(count).index_add(0, ring, _doubled(field_px))
    support = layer.support_px

    def response(gain: Tensor, at_zero: float) -> Tensor:
        gains = with_zero_frequency(gain, at_zero)
        kernel, half = layer.radial.kernels(gains[None])[0], support - 1
        place = torch.arange(-half, half + 1) % field_px
        field = torch.zeros(field_px, field_px)
        field.index_put_((place[:, None], place[None, :]), kernel, accumulate=True)
        spectrum = torch.fft.rfft2(field).real.ravel()
        return torch.zeros(count).index_add(0, ring, spectrum * _doubled(field_px)) / members

    with torch.no_grad():
        nodes = torch.stack([response(gain, 0.0) for gain in torch.eye(support)])
        return response(torch.zeros(support), 1.0), nodes


def _rings(side: int) -> tuple[Tensor, int]:
    ring = np.rint(ring_radii(side)).astype(int).ravel()
    return torch.from_numpy(ring), int(ring.max()) + 1


def _doubled(side: int) -> Tensor:
    """Weigh the half grid of a real transform: what has a mirror image counts twice."""
    weights = torch.full((side, side // 2 + 1), 2.0)
    weights[:, 0] = weights[:, -1] = 1.0
    return weights.ravel()
