r"""Losses of the latent-line autoencoder: one network, three objectives.

Of a sharper, a blurrier and a between image of one field, :math:`x_a, x_c, x_b`, the network
makes the codes :math:`z = E(x)`, the reconstructions :math:`\hat x = D(z)`, the interpolated code
:math:`z'_b = \alpha z_a + (1 - \alpha) z_c` and the synthesised image :math:`D(z'_b)`.

=========  =============================  ==================  ==========================
objective  reconstruct :math:`x_a, x_c`   synthesise          put :math:`z_b` on the line
=========  =============================  ==================  ==========================
baseline   yes                            no                  no
indirect   yes                            yes                 no
direct     yes                            yes                 yes
=========  =============================  ==================  ==========================

The paper measures all terms by the absolute error, the default here; the code that was published
with it by the squared error (``criterion=mse_loss``).

References
----------
Mazilu, Wang et al., "Defocus blur synthesis and deblurring via interpolation and extrapolation in
latent space", CAIP 2023, eqs. (3) and (4).
"""

from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor

from focusfix.losses.image import l1_loss

_SHORTEST_WAY = 1e-12

Criterion = Callable[[Tensor, Tensor], Tensor]


class Triplet(NamedTuple):
    r"""Images, or codes, of N fields at three levels of blur.

    Parameters
    ----------
    sharper, between, blurrier : Tensor, shape (N, \*item)
        Levels a, b and c of the same fields, on one side of focus.
    """

    sharper: Tensor
    between: Tensor
    blurrier: Tensor


def baseline_loss(
    reconstructed: tuple[Tensor, Tensor],
    true: tuple[Tensor, Tensor],
    *,
    criterion: Criterion = l1_loss,
) -> Tensor:
    r"""Reconstruct the two ends of the line; the level between takes no part.

    .. math:: L = \tfrac12 \big[\ell(\hat x_a, x_a) + \ell(\hat x_c, x_c)\big]

    Parameters
    ----------
    reconstructed : tuple of two Tensors, shape (N, 1, Y, X)
        Decoded codes of the sharper and the blurrier images.
    true : tuple of two Tensors, shape (N, 1, Y, X)
        The images themselves, in the same order.
    criterion : callable from (prediction, target) to scalar Tensor
        Loss of one term: :func:`~focusfix.losses.l1_loss` or :func:`~focusfix.losses.mse_loss`.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If shapes differ.
    """
    return (criterion(reconstructed[0], true[0]) + criterion(reconstructed[1], true[1])) / 2


def indirect_loss(made: Triplet, true: Triplet, *, criterion: Criterion = l1_loss) -> Tensor:
    r"""Reconstruct the ends, and synthesise the image between them.

    .. math:: L = \tfrac12 \big[\ell(\hat x_a, x_a) + \ell(\hat x_c, x_c)\big]
                  + \ell\big(D(z'_b), x_b\big)

    Parameters
    ----------
    made : Triplet of Tensor, shape (N, 1, Y, X)
        Reconstructions of the ends; between them the decoded *interpolated* code.
    true : Triplet of Tensor, shape (N, 1, Y, X)
        The images themselves.
    criterion : callable from (prediction, target) to scalar Tensor
        Loss of one term, as for :func:`baseline_loss`.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If shapes differ.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023, eq. (3). The sentence below it names :math:`x_b` where
    :math:`x_c` is meant.
    """
    ends = baseline_loss(
        (made.sharper, made.blurrier), (true.sharper, true.blurrier), criterion=criterion
    )
    return ends + criterion(made.between, true.between)


def direct_loss(
    made: Triplet,
    true: Triplet,
    codes: Triplet,
    interpolated: Tensor,
    *,
    criterion: Criterion = l1_loss,
    scale_free: bool = False,
) -> Tensor:
    r"""Reconstruct, synthesise, and pull the code between onto the line.

    .. math:: L = \tfrac12 \big[\ell(\hat x_a, x_a) + \ell(\hat x_c, x_c)\big]
                  + \ell\big(D(z'_b), x_b\big) + \ell(z_b, z'_b)

    Parameters
    ----------
    made, true : Triplet of Tensor, shape (N, 1, Y, X)
        As for :func:`indirect_loss`.
    codes : Triplet of Tensor, shape (N, \*latent)
        Codes of the true images.
    interpolated : Tensor, shape (N, \*latent)
        Codes on the line, at the alphas of the levels between.
    criterion : callable from (prediction, target) to scalar Tensor
        Loss of one term, of codes too, as for :func:`baseline_loss`.
    scale_free : bool
        Take :func:`scale_free_line_loss` for the last term instead of :func:`latent_line_loss`.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If shapes differ.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023, eqs. (3) and (4).
    """
    images = indirect_loss(made, true, criterion=criterion)
    if scale_free:
        return images + scale_free_line_loss(codes, interpolated, criterion=criterion)
    return images + latent_line_loss(codes.between, interpolated, criterion=criterion)


def latent_line_loss(
    code: Tensor, interpolated: Tensor, *, criterion: Criterion = l1_loss
) -> Tensor:
    r"""Compare codes with points on the line.

    .. math:: L = \ell(z_b, z'_b)

    Parameters
    ----------
    code : Tensor, shape (N, \*latent)
        Codes of the images between.
    interpolated : Tensor, shape (N, \*latent)
        Points on the lines through the codes of their ends.
    criterion : callable from (prediction, target) to scalar Tensor
        A *mean* over all elements. As a sum the term would dwarf those of the images.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    Shrinking all codes lowers it as well as straightening them does.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023, eq. (4).
    """
    return criterion(code, interpolated)


def scale_free_line_loss(
    codes: Triplet, interpolated: Tensor, *, criterion: Criterion = l1_loss
) -> Tensor:
    r"""Compare codes with points on the line, in units of its length.

    .. math:: L = \frac{\ell(z_b, z'_b)}{\ell(z_a, z_c)}

    Parameters
    ----------
    codes : Triplet of Tensor, shape (N, \*latent)
        Codes of the true images.
    interpolated : Tensor, shape (N, \*latent)
        Points on the lines through the codes of the ends.
    criterion : callable from (prediction, target) to scalar Tensor
        A mean over all elements, as for :func:`latent_line_loss`.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If shapes differ.

    Notes
    -----
    Gradients flow through the length too. Were it held fixed, the value would not depend on the
    scale of the codes, but gradient descent would go on shrinking them; as it is, the gradient has
    no part along the scale. A length of less than 1e-12 counts as that.
    """
    way = criterion(codes.sharper, codes.blurrier).clamp_min(_SHORTEST_WAY)
    return latent_line_loss(codes.between, interpolated, criterion=criterion) / way
