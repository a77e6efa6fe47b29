"""Blend windows: how much each tile counts at each pixel, so that all counts sum to one."""

import numpy as np
import numpy.typing as npt

from focusfix.engine.tiles import Span


def blend_window(span: Span) -> npt.NDArray[np.float32]:
    r"""Weigh the support of one tile along one axis.

    Across the ``2 * ramp`` pixels around a border between two cores, the tile on the left fades
    as :math:`\cos^2` and the tile on the right rises as :math:`\sin^2`:

    .. math:: w(k) = \sin^2\!\left(\frac{\pi}{2}\,\frac{k + 1/2}{2\,\mathrm{ramp}}\right)

    Parameters
    ----------
    span : Span
        One tile along one axis.

    Returns
    -------
    ndarray of float32, shape (support,)
        Weights in [0, 1]; over all tiles of a plan they sum to one at every pixel, to rounding.
    """
    weights = np.ones(span.support_stop - span.support_start, dtype=np.float64)
    if span.rise:
        rise = _rise(span.rise)[: weights.size]
        weights[: rise.size] *= rise
    if span.fall:
        first = span.stop - span.fall - span.support_start
        weights[first:] *= 1.0 - _rise(span.fall)[: weights.size - first]
    return weights.astype(np.float32)


def _rise(ramp: int) -> npt.NDArray[np.float64]:
    positions = (np.arange(2 * ramp) + 0.5) / (2 * ramp)
    return np.asarray(np.sin(0.5 * np.pi * positions) ** 2, dtype=np.float64)
