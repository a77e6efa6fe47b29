"""A monotone curve from a blur code to the distance from focus, and how far to trust it."""

import torch
from torch import Tensor, nn

_MOST_KNOTS = 64
_NEIGHBOURS = 8
_MARGIN = 0.25
_SAME_UM = 1e-6


class DistanceCurve(nn.Module):
    r"""Straight pieces between the mean codes of the training levels.

    Attributes
    ----------
    codes : Tensor, shape (64,)
        Mean code at each knot, increasing; only the first ``knots`` count.
    distances_um : Tensor, shape (64,)
        Distance from focus at each knot, increasing; micrometres.
    spreads_um : Tensor, shape (64,)
        Root-mean-square error of reading images with codes near each knot; micrometres.
    prior_um : Tensor, shape ()
        Standard deviation of the distances themselves, which is the error of guessing their mean.
    knots : Tensor, shape (), int64
        How many knots are in use; 0 as long as nothing is known.
    signed : Tensor, shape (), bool
        Whether the code tells the sides of focus apart.

    Notes
    -----
    The confidence of a reading is

    .. math:: 1 - \frac{\text{spread}}{\text{prior}}

    but not below 0; beyond the first and the last knot it falls to 0 within a quarter of the range
    of the codes.
    """

    codes: Tensor
    distances_um: Tensor
    spreads_um: Tensor
    prior_um: Tensor
    knots: Tensor
    signed: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("codes", "distances_um", "spreads_um"):
            self.register_buffer(name, torch.zeros(_MOST_KNOTS))
        self.register_buffer("prior_um", torch.zeros(()))
        self.register_buffer("knots", torch.zeros((), dtype=torch.int64))
        self.register_buffer("signed", torch.zeros((), dtype=torch.bool))

    @property
    def is_known(self) -> bool:
        """Whether the curve was fitted."""
        return int(self.knots) > 0

    @torch.no_grad()
    def fit(self, codes: Tensor, dz_um: Tensor) -> int:
        """Fit the curve to images at known distances.

        If there are images on both sides of focus, and the code orders the signed distances no
        worse than the absolute ones, the curve is signed.

        Parameters
        ----------
        codes : Tensor, shape (N,)
            Blur codes.
        dz_um : Tensor, shape (N,)
            Signed distances from focus; micrometres. Two different ones at least.

        Returns
        -------
        int
            +1, or -1 if the codes decrease with the distance: then the curve holds for the
            negative codes.

        Raises
        ------
        ValueError
            If there are fewer than two distances, or the shapes do not fit.
        """
        codes, dz_um = codes.detach().double().cpu(), dz_um.detach().double().cpu()
        if codes.ndim != 1 or codes.shape != dz_um.shape:
            msg = f"codes {tuple(codes.shape)} and distances {tuple(dz_um.shape)} must be (N,)"
            raise ValueError(msg)
        signed, order = _choose_side(codes, dz_um)
        distances = dz_um if signed else dz_um.abs()
        if float(distances.max() - distances.min()) <= _SAME_UM:
            msg = "a curve needs images at two distances from focus at least"
            raise ValueError(msg)
        sign = -1 if order < 0 else 1
        self._store(sign * codes, distances)
        self.signed.fill_(signed)
        return sign

    def _store(self, codes: Tensor, distances: Tensor) -> None:
        """Fill the buffers from codes that increase with the distances."""
        knot_codes, knot_distances = _monotone(*_level_means(codes, distances))
        count = len(knot_codes)
        self.knots.fill_(count)
        self.prior_um.fill_(float(distances.std(correction=0)))
        for buffer, values in (
            (self.codes, knot_codes),
            (self.distances_um, knot_distances),
        ):
            buffer.fill_(float(values[-1]))
            buffer[:count] = values.to(buffer)
        errors = self._value(codes.to(self.codes)).double().cpu() - distances
        spreads = _spreads(knot_codes, codes, errors)
        self.spreads_um.fill_(float(spreads[-1]))
        self.spreads_um[:count] = spreads.to(self.spreads_um)

    def read(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Turn blur codes into distances.

        Parameters
        ----------
        codes : Tensor, shape (N,)
            Blur codes with the sign of :meth:`fit`.

        Returns
        -------
        value_um : Tensor, shape (N,)
            Distances, between those of the outermost knots; micrometres.
        confidence : Tensor, shape (N,)
            How far to trust them, 0 to 1.
        """
        spread = self._between(codes, self.spreads_um)
        first, last = self.codes[0], self.codes[int(self.knots) - 1]
        outside = (first - codes).clamp_min(0) + (codes - last).clamp_min(0)
        margin = (_MARGIN * (last - first)).clamp_min(torch.finfo(codes.dtype).tiny)
        trust = (1 - spread / self.prior_um).clamp(0, 1) * (1 - outside / margin).clamp(0, 1)
        return self._value(codes), trust

    def _value(self, codes: Tensor) -> Tensor:
        return self._between(codes, self.distances_um)

    def _between(self, codes: Tensor, values: Tensor) -> Tensor:
        """Interpolate values at the knots; constant beyond the outermost ones."""
        count = int(self.knots)
        if count == 1:
            return values[:1].expand(len(codes))
        knots, heights = self.codes[:count], values[:count]
        after = torch.searchsorted(knots, codes.detach()).clamp(1, count - 1)
        low, high = knots[after - 1], knots[after]
        width = (high - low).clamp_min(torch.finfo(knots.dtype).tiny)
        share = ((codes - low) / width).clamp(0, 1)
        return heights[after - 1].lerp(heights[after], share)


def _choose_side(codes: Tensor, dz_um: Tensor) -> tuple[bool, float]:
    """Tell whether codes follow the signed or the absolute distance, and in which direction."""
    absolute = _rank_correlation(codes, dz_um.abs())
    if float(dz_um.min()) >= 0 or float(dz_um.max()) <= 0:
        return False, absolute
    signed = _rank_correlation(codes, dz_um)
    return (True, signed) if abs(signed) >= abs(absolute) else (False, absolute)


def _rank_correlation(first: Tensor, second: Tensor) -> float:
    """Correlate ranks, ties sharing their mean rank; 0 where one of the two is constant."""
    ranks = torch.stack([_ranks(first), _ranks(second)])
    ranks = ranks - ranks.mean(dim=1, keepdim=True)
    lengths = ranks.norm(dim=1)
    return float((ranks[0] @ ranks[1]) / (lengths[0] * lengths[1]).clamp_min(1e-12))


def _ranks(values: Tensor) -> Tensor:
    _, group, counts = torch.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum(0)
    ranks: Tensor = (ends - (counts + 1) / 2)[group]
    return ranks.double()


def _level_means(codes: Tensor, distances: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Average images of one level: mean codes, distances and numbers, by increasing distance.

    Where there are more than 64 distances, neighbours make up one level.
    """
    levels, member = torch.unique(torch.round(distances / _SAME_UM), return_inverse=True)
    if len(levels) > _MOST_KNOTS:
        order = distances.argsort(stable=True)
        member = torch.empty_like(order)
        member[order] = torch.arange(len(order)) * _MOST_KNOTS // len(order)
    counts = torch.bincount(member).double()
    means = [torch.bincount(member, weights=values) / counts for values in (codes, distances)]
    return means[0], means[1], counts


def _monotone(codes: Tensor, distances: Tensor, counts: Tensor) -> tuple[Tensor, Tensor]:
    """Pool neighbouring levels until the codes increase: isotonic regression."""
    pools: list[Tensor] = []  # sum of codes, sum of distances, number
    for code, distance, count in zip(codes, distances, counts, strict=True):
        pool = torch.stack([code * count, distance * count, count])
        while pools and pool[0] / pool[2] <= pools[-1][0] / pools[-1][2]:
            pool = pool + pools.pop()
        pools.append(pool)
    sums = torch.stack(pools)
    return sums[:, 0] / sums[:, 2], sums[:, 1] / sums[:, 2]


def _spreads(knots: Tensor, codes: Tensor, errors: Tensor) -> Tensor:
    """Root-mean-square error of the images whose codes are nearest to each knot."""
    count = min(len(codes), max(_NEIGHBOURS, len(codes) // len(knots)))
    nearest = (codes - knots[:, None]).abs().topk(count, dim=1, largest=False).indices
    return errors[nearest].square().mean(dim=1).sqrt()
