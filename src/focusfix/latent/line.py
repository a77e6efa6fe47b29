r"""The line through the codes of a sharper and a blurrier image of one field.

An autoencoder of the latent-line family codes an image so that defocus moves the code along a
straight line. Alpha says where on it: 1 is the sharper image, 0 the blurrier one, everywhere in
focusfix (``docs/decisions/0002-meaning-of-alpha.md``).

References
----------
Mazilu, Wang et al., "Defocus blur synthesis and deblurring via interpolation and extrapolation in
latent space", CAIP 2023.
"""

import math

from torch import Tensor


def interpolate_latents(sharper: Tensor, blurrier: Tensor, *, alpha: float | Tensor) -> Tensor:
    r"""Mix two latent codes: synthesise a blur between two known ones.

    .. math:: z'_b = \alpha z_a + (1 - \alpha) z_c

    Parameters
    ----------
    sharper, blurrier : Tensor, shape (N, \*latent)
        Codes :math:`z_a` and :math:`z_c` of the same N fields; same shape, dtype and device.
    alpha : float or Tensor, shape (N,)
        Weight of the sharper code, one for all fields or one for each; dimensionless, 0 to 1.

    Returns
    -------
    Tensor, shape (N, \*latent)
        Codes of the images between; exactly ``sharper`` for 1 and ``blurrier`` for 0.

    Raises
    ------
    ValueError
        If alpha is outside [0, 1] or has another shape, or the codes differ in shape.

    Examples
    --------
    >>> import torch
    >>> interpolate_latents(torch.tensor([[4.0]]), torch.tensor([[0.0]]), alpha=0.25)
    tensor([[1.]])
    """
    weight = _weights(alpha, sharper, blurrier, zero_allowed=True)
    return weight * sharper + (1 - weight) * blurrier


def extrapolate_latents(sharper: Tensor, blurrier: Tensor, *, alpha: float | Tensor) -> Tensor:
    r"""Continue the line through two latent codes towards the focal plane.

    .. math:: z'_a = \tfrac{1}{\alpha} z_b - \tfrac{1-\alpha}{\alpha} z_c
                   = z_b + \tfrac{1-\alpha}{\alpha} (z_b - z_c)

    The second form is computed: where the codes agree nothing is amplified, not even rounding.

    Parameters
    ----------
    sharper, blurrier : Tensor, shape (N, \*latent)
        Codes :math:`z_b` and :math:`z_c` of the same N fields; same shape, dtype and device.
    alpha : float or Tensor, shape (N,)
        Position of ``sharper`` between the unseen image in focus (1) and ``blurrier`` (0), one for
        all fields or one for each; dimensionless, 0 < alpha <= 1.

    Returns
    -------
    Tensor, shape (N, \*latent)
        Codes of the predicted images in focus; exactly ``sharper`` for 1.

    Raises
    ------
    ValueError
        If alpha is outside (0, 1] or has another shape, or the codes differ in shape.

    Notes
    -----
    Noise of the codes grows as :func:`noise_gain` says, and the codes may leave the range that
    the decoder has seen.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023, eq. (2).

    Examples
    --------
    >>> import torch
    >>> extrapolate_latents(torch.tensor([[1.0]]), torch.tensor([[3.0]]), alpha=0.5)
    tensor([[-1.]])
    """
    weight = _weights(alpha, sharper, blurrier, zero_allowed=False)
    return sharper + (1 - weight) / weight * (sharper - blurrier)


def noise_gain(alpha: float) -> float:
    r"""Tell how much extrapolation amplifies independent noise of the two codes.

    .. math:: g = \sqrt{\tfrac{1}{\alpha^2} + \tfrac{(1-\alpha)^2}{\alpha^2}}

    Parameters
    ----------
    alpha : float
        As for :func:`extrapolate_latents`; 0 < alpha <= 1.

    Returns
    -------
    float
        Standard deviation of the noise of the result over that of one code; >= 1.

    Raises
    ------
    ValueError
        If alpha is outside (0, 1].

    Examples
    --------
    >>> [round(noise_gain(alpha), 1) for alpha in (1.0, 0.5, 0.125)]
    [1.0, 2.2, 10.6]
    """
    _check_alpha(alpha, zero_allowed=False)
    return math.hypot(1.0, 1.0 - alpha) / alpha


def alpha_for_levels(*, sharper: float, between: float, blurrier: float) -> float:
    r"""Return the alpha of a level between two others, if blur is even over the levels.

    .. math:: \alpha = \frac{b - c}{a - c}

    To deblur two levels of a series, ``sharper`` is the focal level and ``between`` the sharper
    one of the two.

    Parameters
    ----------
    sharper, between, blurrier : float
        Levels a, b and c on one side of the focal level: z-levels, or distances in one unit.

    Returns
    -------
    float
        Weight of the sharper end; dimensionless, 0 to 1.

    Raises
    ------
    ValueError
        If the ends are the same level, or ``between`` is not between them.

    Examples
    --------
    >>> alpha_for_levels(sharper=16, between=2, blurrier=0)
    0.125
    """
    if sharper == blurrier:
        msg = f"the sharper and the blurrier level must differ, both are {sharper:g}"
        raise ValueError(msg)
    if not min(sharper, blurrier) <= between <= max(sharper, blurrier):
        msg = f"level {between:g} is not between levels {sharper:g} and {blurrier:g}"
        raise ValueError(msg)
    return (between - blurrier) / (sharper - blurrier)


def alpha_ladder(count: int) -> tuple[float, ...]:
    r"""Space alphas evenly from the blurrier end to the sharper one.

    .. math:: \alpha_k = \frac{k}{N - 1}, \qquad k = 0, \dots, N - 1

    Parameters
    ----------
    count : int
        Number N of alphas, both ends included; >= 2.

    Returns
    -------
    tuple of float
        From 0 to 1, both exact.

    Raises
    ------
    ValueError
        If ``count`` is below 2.

    Notes
    -----
    Every alpha is made from whole numbers: adding a step repeatedly ends one rung too late for
    some counts.

    Examples
    --------
    >>> alpha_ladder(5)
    (0.0, 0.25, 0.5, 0.75, 1.0)
    """
    if count < 2:
        msg = f"a ladder has at least 2 alphas, got {count}"
        raise ValueError(msg)
    return tuple(rung / (count - 1) for rung in range(count))


def _weights(
    alpha: float | Tensor, sharper: Tensor, blurrier: Tensor, *, zero_allowed: bool
) -> float | Tensor:
    """Check codes and alpha, and give one alpha for each field a shape that multiplies codes."""
    if sharper.shape != blurrier.shape or sharper.ndim == 0:
        msg = (
            f"sharper {tuple(sharper.shape)} and blurrier {tuple(blurrier.shape)} must be batches "
            "of codes of the same shape"
        )
        raise ValueError(msg)
    if not isinstance(alpha, Tensor):
        _check_alpha(alpha, zero_allowed=zero_allowed)
        return alpha
    if alpha.shape != sharper.shape[:1]:
        msg = f"expected one alpha for each of {len(sharper)} codes, got {tuple(alpha.shape)}"
        raise ValueError(msg)
    for each in alpha.tolist():
        _check_alpha(each, zero_allowed=zero_allowed)
    return alpha.to(sharper).reshape(-1, *[1] * (sharper.ndim - 1))


def _check_alpha(alpha: float, *, zero_allowed: bool) -> None:
    """Refuse an alpha off the line; NaN too."""
    if not 0 <= alpha <= 1 or (alpha == 0 and not zero_allowed):
        msg = f"alpha must be in {'[' if zero_allowed else '('}0, 1], got {alpha:g}"
        raise ValueError(msg)
