r"""How straight and how even the path is that defocus makes a latent code take.

Both scores of the paper exist twice: as its equations have them, and as the code published with
it computes them. They differ in value and even in range, so that figures of the one say nothing
beside figures of the other (``docs/decisions/0003-lds-apd-in-paper-and-code.md``).

===========  ====================================  ==================
function     steps are compared by                 range
===========  ====================================  ==================
``lds``      their direction (equation 5)          -1 to 1
``lds_sq``   their squares, element by element     0 to 1
``apd``      their Euclidean length (equation 6)   0 and up, unlimited
``apd_sq``   their mean square                     0 and up, unlimited
===========  ====================================  ==================

References
----------
Mazilu, Wang et al., CAIP 2023, eqs. (5) and (6), tables 1 and 2.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor, linalg


@dataclass(frozen=True)
class PathScore:
    """A score of latent paths, averaged over fields.

    Parameters
    ----------
    mean : float
        Mean over the fields that have a score.
    n_fields : int
        Number of these fields; >= 1.
    n_left_out : int
        What has no score and is not in the mean: pairs of steps of which one has no length, for
        the linearity; fields whose path ends where it began, for the spacing.
    """

    mean: float
    n_fields: int
    n_left_out: int


def lds(codes: Tensor) -> PathScore:
    r"""Score the linearity of latent paths by the cosine between successive steps.

    .. math:: \mathrm{LDS} = \frac{1}{N-2} \sum_{n=1}^{N-2}
              \cos\big(z_{n-1} - z_n,\ z_n - z_{n+1}\big)

    Parameters
    ----------
    codes : Tensor, shape (F, N, \*latent)
        Codes of N >= 3 levels in order for each of F fields; finite.

    Returns
    -------
    PathScore
        1 for a straight path whatever its spacing, 0 for a random walk, -0.5 for independent
        random codes, -1 for going back and forth.

    Raises
    ------
    ValueError
        If there are fewer than three levels, no field, a code that is not finite, or no two
        successive steps that have a length.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023, eq. (5).

    Examples
    --------
    >>> import torch
    >>> lds(torch.tensor([[[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]]])).mean
    1.0
    """
    return _linearity(codes, squared=False)


def lds_sq(codes: Tensor) -> PathScore:
    r"""Score linearity as the published code does: by the cosine between *squared* steps.

    .. math:: \frac{1}{N-2} \sum_{n=1}^{N-2}
              \cos\big((z_{n-1} - z_n)^{\circ 2},\ (z_n - z_{n+1})^{\circ 2}\big)

    For comparison with the published tables only: squares have no sign, so going back and forth
    counts as straight, and codes without structure score about 0.5.

    Parameters
    ----------
    codes : Tensor, shape (F, N, \*latent)
        As for :func:`lds`.

    Returns
    -------
    PathScore
        1 for a straight path, about 0.33 for a random walk and 0.5 for independent random codes.

    Raises
    ------
    ValueError
        As for :func:`lds`.

    Examples
    --------
    >>> import torch
    >>> back_and_forth = torch.tensor([[[0.0], [1.0], [0.0]]])
    >>> lds(back_and_forth).mean, lds_sq(back_and_forth).mean
    (-1.0, 1.0)
    """
    return _linearity(codes, squared=True)


def apd(codes: Tensor) -> PathScore:
    r"""Score how far the spacing of latent paths is from even.

    .. math:: \mathrm{APD} = \frac{1}{N-1} \sum_{n=0}^{N-2}
              \frac{\big|d(z_n, z_{n+1}) - d(z'_n, z'_{n+1})\big|}{d(z_0, z_{N-1})}

    with N points :math:`z'_n` spaced evenly on the straight segment from first to last code, and
    the Euclidean distance d.

    Parameters
    ----------
    codes : Tensor, shape (F, N, \*latent)
        Codes of N >= 2 levels in order for each of F fields; finite.

    Returns
    -------
    PathScore
        0 for a straight, evenly spaced path; no upper limit, since a path may end near where it
        began.

    Raises
    ------
    ValueError
        If there are fewer than two levels, no field, a code that is not finite, or no field whose
        ends differ.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023, eq. (6). The range of 0 to 1 given there does not hold.

    Examples
    --------
    >>> import torch
    >>> apd(torch.tensor([[[0.0], [1.0], [2.0]]])).mean
    0.0
    >>> apd(torch.tensor([[[0.0], [1.5], [2.0]]])).mean
    0.25
    """
    return _unevenness(codes, _euclidean_distance, even_step=lambda steps: 1 / steps)


def apd_sq(codes: Tensor) -> PathScore:
    r"""Score spacing as the published code does: with the mean squared difference for distance.

    For comparison with the published tables only. A mean square is no metric: an even step of N
    levels counts as :math:`(N-1)^{-2}` of the whole way, not as :math:`(N-1)^{-1}`.

    Parameters
    ----------
    codes : Tensor, shape (F, N, \*latent)
        As for :func:`apd`.

    Returns
    -------
    PathScore
        0 for a straight, evenly spaced path; no upper limit.

    Raises
    ------
    ValueError
        As for :func:`apd`.

    Examples
    --------
    >>> import torch
    >>> apd_sq(torch.tensor([[[0.0], [1.5], [2.0]]])).mean
    0.25
    """
    return _unevenness(codes, _mean_square, even_step=lambda steps: 1 / steps**2)


def _linearity(codes: Tensor, *, squared: bool) -> PathScore:
    """Average the cosines of each field's successive steps, then the fields."""
    scores, n_left_out = [], 0
    for path in _paths(codes, least_levels=3):
        steps = path.diff(dim=0)
        if squared:
            steps = steps.square()
        largest = steps.abs().amax(dim=1, keepdim=True)
        moved = (largest > 0).flatten()
        # Scaled by the largest element first, no square of a short step comes to zero.
        scaled = steps / largest.where(largest > 0, 1.0)
        units = scaled / linalg.vector_norm(scaled, dim=1, keepdim=True).clamp_min(1.0)
        cosines = (units[:-1] * units[1:]).sum(dim=1)[moved[:-1] & moved[1:]]
        n_left_out += len(steps) - 1 - len(cosines)
        if len(cosines):
            scores.append(float(cosines.mean()))
    if not scores:
        msg = "no field has two successive codes that differ from the one before"
        raise ValueError(msg)
    return PathScore(sum(scores) / len(scores), len(scores), n_left_out)


def _unevenness(
    codes: Tensor, distance: Callable[[Tensor], Tensor], *, even_step: Callable[[int], float]
) -> PathScore:
    """Average the deviation of each field's steps from even ones, then the fields."""
    scores, n_left_out = [], 0
    for path in _paths(codes, least_levels=2):
        whole = float(distance((path[-1] - path[0]).unsqueeze(0)))
        if whole == 0:
            n_left_out += 1
            continue
        shares = distance(path.diff(dim=0)) / whole
        scores.append(float((shares - even_step(len(shares))).abs().mean()))
    if not scores:
        msg = "the path of every field ends where it began: spacing has nothing to relate to"
        raise ValueError(msg)
    return PathScore(sum(scores) / len(scores), len(scores), n_left_out)


def _euclidean_distance(differences: Tensor) -> Tensor:
    """Return the length of each row."""
    lengths: Tensor = linalg.vector_norm(differences, dim=1)
    return lengths


def _mean_square(differences: Tensor) -> Tensor:
    """Return the mean square of each row."""
    return differences.square().mean(dim=1)


def _paths(codes: Tensor, *, least_levels: int) -> Iterator[Tensor]:
    """Hand out the codes of one field after the other, as (N, elements) in double precision."""
    if codes.ndim < 3 or codes.shape[1] < least_levels or codes.numel() == 0:
        msg = (
            f"expected codes of shape (F, N, *latent) with N >= {least_levels}, "
            f"got {tuple(codes.shape)}"
        )
        raise ValueError(msg)
    if not bool(codes.isfinite().all()):
        msg = "codes must be finite"
        raise ValueError(msg)
    return (path.flatten(1).double() for path in codes.detach())
