r"""Fit what a latent line has beside its content network: the reading of blur, and the ladder.

Both follow from sums over the rings of spectra, so that no image has to be blurred while fitting.
The reading is regressed on the power spectra of simulated pairs whose blur is known. A rung of the
ladder is the gain that brings the truth closest to the blurred image, ring by ring,

.. math:: \min_h \sum_p \frac{1}{\sum_\rho A_{p\rho} + D_{p\rho}}
          \Big( \big(\textstyle\sum_k \Lambda_k(r_p) h_{k\rho}\big)^2 D_{p\rho}
          - 2 \textstyle\sum_k \Lambda_k(r_p) h_{k\rho}\, C_{p\rho} \Big),

with the powers A of the blurred image and D of the truth, and the cross powers C of pair p: one
small linear system per ring.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from filter_fit import RingStatistics
from torch import Tensor
from torch.nn import functional as F

from focusfix.data.simulate import Blur, DefocusSimulator
from focusfix.models.blur_ladder import BlurLadder
from focusfix.models.blur_reading import FARTHEST_PX, KNOTS, BlurReading
from focusfix.models.latent_line import HALF_OF_DISC
from focusfix.models.local_wiener import LocalWiener

EPOCHS = 20
BATCH = 256
DROPOUT = 0.1
FEATURE_NOISE = 0.2
"""Added to log powers while learning to read, so that readings change smoothly."""

HELD_OUT = 20
RIDGE = 3e-3
SMALLEST_GAIN = 1e-3
BEND_PENALTY = 0.02
SPACING_TURNS = 50
SMALLEST_RISE = 0.1


def contrast_radius_px(blur: Blur, field_px: int) -> float:
    r"""Measure a blur by the disc whose transfer falls to one half at the same frequency.

    .. math:: r = \frac{2.2151}{2 \pi \rho_{1/2}}

    Beside the pupil's edge, its apodization decides what a blur looks like; this radius sees both.
    Blurs that never fall to one half below the cut-off of the lens, which are smaller than two
    pixels or so, are measured by the curvature of their transfer at zero frequency.
    """
    ratio = blur.out_of_focus[0] / np.maximum(blur.in_focus[0], SMALLEST_GAIN)
    below = np.flatnonzero(ratio < 0.5)
    if below.size:
        first = below[0]
        ring = first - 1 + (ratio[first - 1] - 0.5) / (ratio[first - 1] - ratio[first])
        return HALF_OF_DISC / (2 * math.pi * ring / field_px)
    lost = 1 - ratio[1:9]
    of_unit_disc = (np.pi * np.arange(1, 9) / field_px) ** 2 / 2
    return math.sqrt(max(0.0, float(lost @ of_unit_disc / (of_unit_disc @ of_unit_disc))))


def radii_of_pairs(simulator: DefocusSimulator, indices: Sequence[int]) -> Tensor:
    """Return the blur radius of pairs by their numbers; shape (P,), pixels."""
    known = {id(b): contrast_radius_px(b, simulator.field_px) for b in simulator.bank}
    return torch.tensor([known[id(simulator.blur_of(index))] for index in indices])


def fit_reading(
    reading: BlurReading,
    filters: LocalWiener,
    statistics: RingStatistics,
    radii: Tensor,
    report: Callable[[str], None],
) -> None:
    """Fit the layers that read the blur, then the calibration, in place."""
    held_out = torch.arange(len(radii)) % HELD_OUT == 0
    learned = torch.nonzero(~held_out).ravel()
    steps = EPOCHS * len(learned) // BATCH
    optimizer = torch.optim.Adam(reading.parameters(), weight_decay=1e-5)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in range(steps):
        chosen = learned[torch.randint(len(learned), (BATCH,))]
        powers = statistics.log_powers[chosen]
        powers = powers + FEATURE_NOISE * torch.randn_like(powers)
        with torch.no_grad():
            codes = filters.read(powers[..., None, None])
        radius, spread = reading.read(F.dropout(codes, DROPOUT))
        errors = (radius[:, 0, 0, 0] - radii[chosen]).abs()
        spread = spread[:, 0, 0, 0]
        loss = (errors / spread + torch.log(spread)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    with torch.no_grad():
        chunks = statistics.log_powers[..., None, None].split(1000)
        read = torch.cat([reading.read(filters.read(c))[0][:, 0, 0, 0] for c in chunks])
        reading.calibration.copy_(calibrate(read[learned], radii[learned]))
        errors = (reading.calibrated(read[held_out]) - radii[held_out]).abs()
        for low, high in ((0, 2), (2, 8), (8, 16), (16, 24), (24, 40)):
            inside = (radii[held_out] >= low) & (radii[held_out] < high)
            median = float(errors[inside].median())
            report(f"blur radius {low} to {high} px: median error {median:.2f} px on held-out")


def calibrate(read: Tensor, true: Tensor) -> Tensor:
    """Find what readings stand for: the true radius whose mean reading they are.

    Parameters
    ----------
    read, true : Tensor, shape (P,)
        Readings and true radii; pixels.

    Returns
    -------
    Tensor, shape (13,)
        True radii at readings of 0, 3, ... 36 pixels; ascending.
    """
    edges = np.linspace(0, FARTHEST_PX, KNOTS)
    width = edges[1]
    centres, means = [0.0], [0.0]
    for centre in edges[1:]:
        near = (true - centre).abs() < width / 2
        if int(near.sum()) >= HELD_OUT:
            centres.append(float(true[near].mean()))
            means.append(float(read[near].median()))
    means = list(np.maximum.accumulate(means) + 1e-6 * np.arange(len(means)))
    slope = (centres[-1] - centres[-3]) / (means[-1] - means[-3])
    beyond = np.maximum(edges - means[-1], 0) * min(slope, 2.0)
    return torch.tensor(np.interp(edges, means, centres) + beyond, dtype=torch.float32)


def fit_spacing(readings: Tensor) -> Tensor:
    r"""Find the spacing that makes paths of evenly spaced levels even.

    .. math:: \min_{\psi, a} \sum_{fn} \big(\psi(r_{fn}) - a_f n\big)^2

    over piecewise linear :math:`\psi` from 0 to 36 pixels and one scale :math:`a_f` per series, by
    turns; bends are penalised, and beyond the readings it goes on straight.

    Parameters
    ----------
    readings : Tensor, shape (F, N)
        Mean blur radii of F series, at levels 0 (in focus) to N - 1, evenly spaced; pixels.

    Returns
    -------
    Tensor, shape (13,)
        Ascending, 0 to 36.
    """
    knots = np.linspace(0, FARTHEST_PX, KNOTS)
    read = readings.double().numpy()
    hats = np.clip(1 - np.abs(read.reshape(-1, 1) - knots) / knots[1], 0, None)
    levels = np.arange(read.shape[1])
    spacing = knots.copy()
    bends = np.diff(np.eye(KNOTS), n=2, axis=0)
    penalty = BEND_PENALTY * len(hats) * bends.T @ bends + 1e-6 * np.eye(KNOTS)
    for _ in range(SPACING_TURNS):
        values = (hats @ spacing).reshape(read.shape)
        scales = values @ levels / (levels @ levels)
        scales *= (read @ levels / (levels @ levels)).mean() / scales.mean()
        wanted = (scales[:, None] * levels).ravel()
        spacing = np.linalg.solve(hats.T @ hats + penalty, hats.T @ wanted)
    spacing = np.cumsum(np.maximum(np.diff(spacing, prepend=spacing[0]), SMALLEST_RISE))
    spacing = (spacing - spacing[0]) * FARTHEST_PX / (spacing[-1] - spacing[0])
    return torch.tensor(spacing, dtype=torch.float32)


def fit_ladder(
    ladder: BlurLadder, statistics: RingStatistics, radii: Tensor, field_px: int
) -> None:
    """Fit the gains of all rungs, in place; rings between those of the fields are interpolated."""
    place = ladder.rung_of(radii)
    rungs = torch.arange(1, len(ladder.radii))
    hats = (1 - (place[:, None] - rungs).abs()).clamp_min(0).double()
    left = (1 - place).clamp_min(0).double()
    scale = (statistics.truth + statistics.blurred).double().sum(dim=1, keepdim=True)
    truth, cross = (power.double() / scale for power in (statistics.truth, statistics.cross))
    discs = ladder.gains.detach().double()
    frequencies = np.arange(1, ladder.support_px + 1) / (2 * ladder.support_px)
    gains = torch.empty_like(discs)
    for node, frequency in enumerate(frequencies):
        ring = frequency * field_px
        near = slice(max(1, round(ring) - 1), min(round(ring) + 2, field_px // 2 + 1))
        power, agreed = truth[:, near].sum(dim=1), cross[:, near].sum(dim=1)
        normal = hats.T @ (hats * power[:, None])
        wanted = hats.T @ (agreed - left * power)
        ridge = RIDGE * (normal.diagonal().mean() + 1e-12)
        normal = normal + ridge * torch.eye(len(normal), dtype=torch.float64)
        gains[:, node] = torch.linalg.solve(normal, wanted + ridge * discs[:, node])
    with torch.no_grad():
        ladder.gains.copy_(gains.clamp(-0.5, 1.0).float())
