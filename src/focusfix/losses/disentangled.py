r"""Losses of the disentangled networks.

The manifold networks see two images at a time. Pair A shares the identity i and differs in blur,
:math:`x_1 = X(i, u), x_2 = X(i, v)`; pair B shares the blur and differs in identity,
:math:`x_1 = X(i, u), x_2 = X(j, u)`. With codes c for identity and b for blur:

====================  =======================  =======================
term                  pair A                   pair B
====================  =======================  =======================
reconstruction        (c1, b1) -> x1           (c1, b1) -> x1
                      (c2, b2) -> x2           (c2, b2) -> x2
cross reconstruction  (c1, b2) -> x2           (c1, b2) -> x1
                      (c2, b1) -> x1           (c2, b1) -> x2
consistency           c of (c1, b2) is c1      b of (c2, b1) is b1
contrastive           pull c, push b           push c, pull b
====================  =======================  =======================

where an arrow stands for the distance :math:`\gamma` of a decoded image from a true one.

.. math:: L = L_{rec} + \beta(t) (L_{cons} + L_{cont} + L_{cross})

References
----------
Ritsema, disentanglement of defocus in microscopy (thesis), chapter 4, with the signs of its
equations 4.4 and 4.7 put right; Fumero et al., "Learning disentangled representations via product
manifold projection", ICML 2021; Bouchacourt et al., "Multi-level variational autoencoder",
AAAI 2018.
"""

import math

from torch import Tensor

MARGIN = 0.6
"""Distance up to which codes of different factors are pushed apart."""

_FLOOR = 1e-12
_GROWTH = 10.0


def code_distance(first: Tensor, second: Tensor) -> Tensor:
    r"""Root-mean-square difference of codes: 1 where they differ by 1 everywhere.

    .. math:: \delta(a, b) = \sqrt{\tfrac1d \textstyle\sum_k (a_k - b_k)^2 + 10^{-12}}

    Parameters
    ----------
    first, second : Tensor, shape (N, \*code)
        Codes of N images.

    Returns
    -------
    Tensor, shape (N,)
        Never quite 0, so that it has a gradient everywhere.

    Raises
    ------
    ValueError
        If the shapes differ.

    Notes
    -----
    "Euclidean distance normalised by vector length" in the thesis. Divided by the length d instead
    of its root, codes of 32,768 numbers would have to differ by 109 everywhere to reach the margin
    of 0.6.
    """
    if first.shape != second.shape:
        msg = f"codes of shapes {tuple(first.shape)} and {tuple(second.shape)} cannot be compared"
        raise ValueError(msg)
    return ((first - second).flatten(1).square().mean(dim=1) + _FLOOR).sqrt()


def consistency_loss(again: Tensor, code: Tensor) -> Tensor:
    r"""Ask that a factor which was kept is found again in the image made from it.

    .. math:: L = \langle \delta(E(\hat x), c) \rangle

    Parameters
    ----------
    again : Tensor, shape (N, \*code)
        The factor's code of images that were made with another value of the other factor.
    code : Tensor, shape (N, \*code)
        The code that they were made with.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Ritsema, eq. (4.6).
    """
    return code_distance(again, code).mean()


def contrastive_loss(
    first: Tensor, second: Tensor, *, shared: bool, margin: float = MARGIN
) -> Tensor:
    r"""Pull the codes of one factor together where it is shared, else push them apart.

    .. math:: L = \langle s\, \delta + (1 - s) \max(m - \delta, 0) \rangle

    Parameters
    ----------
    first, second : Tensor, shape (N, \*code)
        Codes of one factor of both images of N pairs.
    shared : bool
        Whether the images of a pair have that factor in common: s is 1 or 0.
    margin : float
        Codes farther apart than this, m, are left alone; > 0.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.

    References
    ----------
    Ritsema, eq. (4.7), whose formula pushes where its text pulls.
    """
    distance = code_distance(first, second)
    return (distance if shared else (margin - distance).clamp_min(0)).mean()


def delay_weight(time: float, *, full_at: float, starts_at: float = 0.0) -> float:
    r"""Weight of all terms but reconstruction while training goes on.

    .. math:: \beta(t) = \min\big(1, e^{10 (t - t_1) / (t_1 - t_0)}\big),
              \qquad \beta(t < t_0) = 0

    Parameters
    ----------
    time : float
        Epochs or steps since training began; >= 0.
    full_at : float
        Time t_1 from which the weight is 1, in the same unit; 30 epochs in the thesis. 0 for a
        weight of 1 throughout.
    starts_at : float
        Time t_0 at which it begins to grow, from 5e-5. "From 0 to 1 after approximately 30 epochs"
        can also be read as growth that begins then.

    Returns
    -------
    float
        0 to 1.

    Raises
    ------
    ValueError
        If growth would end before it begins.

    References
    ----------
    Ritsema, eq. (4.5).

    Examples
    --------
    >>> [round(delay_weight(epoch, full_at=30), 3) for epoch in (0, 20, 25, 30, 400)]
    [0.0, 0.036, 0.189, 1.0, 1.0]
    >>> round(delay_weight(50, full_at=60, starts_at=30), 3)
    0.036
    """
    if not 0 <= starts_at <= full_at:
        msg = f"the weight cannot grow from {starts_at:g} to {full_at:g}"
        raise ValueError(msg)
    if time >= full_at:
        return 1.0
    if time < starts_at:
        return 0.0
    return math.exp(_GROWTH * (time - full_at) / (full_at - starts_at))


def ml_vae_loss(
    reconstruction: Tensor,
    kl_identity: Tensor,
    kl_blur: Tensor,
    *,
    pixels: int,
    identity_weight: float = 1.0,
    blur_weight: float = 1.0,
) -> Tensor:
    r"""Put the objective of the multi-level VAE together, for one group on average.

    .. math:: L = \frac1G \Big[ \sum_{images} \gamma
              + \frac{w_b}{P} \sum_{images} \mathrm{KL}_{blur}
              + \frac{w_i}{P} \sum_{groups} \mathrm{KL}_{id} \Big]

    Parameters
    ----------
    reconstruction : Tensor, shape ()
        Mean distance :math:`\gamma` of the reconstructions from the images.
    kl_identity : Tensor, shape (G,)
        Divergence of the identity of each group from the prior: once for all its members.
    kl_blur : Tensor, shape (G * K,)
        Divergence of the blur of each image.
    pixels : int
        P: pixels of an image, since the divergences are sums over whole codes while the distance
        is a mean.
    identity_weight, blur_weight : float
        Weights; >= 0.

    Returns
    -------
    Tensor, shape ()

    References
    ----------
    Ritsema, eq. (4.4), which adds a distance where the sum is to be maximised.
    """
    groups = len(kl_identity)
    divergence = identity_weight * kl_identity.sum() + blur_weight * kl_blur.sum()
    return (len(kl_blur) * reconstruction + divergence / pixels) / groups
