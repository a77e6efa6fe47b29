r"""Normal distributions over codes: what a group of images knows together, and what it costs.

All are diagonal: each number of a code has a mean and the logarithm of a variance of its own.

References
----------
Bouchacourt et al., "Multi-level variational autoencoder", AAAI 2018, for the product; Ritsema,
"Disentangled defocus", for its use on focal series.
"""

from typing import NamedTuple

import torch
from torch import Tensor


class Gaussian(NamedTuple):
    r"""Independent normal distributions.

    Parameters
    ----------
    mean : Tensor, any shape
        Means.
    log_variance : Tensor, same shape
        Natural logarithms of the variances.
    """

    mean: Tensor
    log_variance: Tensor


def multiply_normals(members: Gaussian) -> Gaussian:
    r"""Multiply the densities of the members of each group: what they say together.

    .. math:: \log \sigma_G^2 = -\log \sum_k e^{-\log \sigma_k^2}, \qquad
              \mu_G = \sigma_G^2 \sum_k \mu_k / \sigma_k^2

    Parameters
    ----------
    members : Gaussian of Tensor, shape (G, K, \*code)
        One distribution for each of the K members of G groups.

    Returns
    -------
    Gaussian of Tensor, shape (G, \*code)
        Never wider than the narrowest member; a group of one is its member.

    Raises
    ------
    ValueError
        If there are no members, or means and variances differ in shape.

    Notes
    -----
    The prior is not multiplied in. Gradients reach every member.

    Examples
    --------
    >>> means, log_variances = torch.tensor([[0.0, 2.0, 1.0]]), torch.tensor([[0.0, -1.0, 1.0]])
    >>> together = multiply_normals(Gaussian(means, log_variances))
    >>> round(float(together.mean), 4), round(float(together.log_variance.exp()), 4)
    (1.4205, 0.2447)
    """
    mean, log_variance = members
    if mean.shape != log_variance.shape or mean.ndim < 2 or mean.shape[1] < 1:
        msg = (
            "means and log-variances must both have shape (G, K, ...) with K >= 1, got "
            f"{tuple(mean.shape)} and {tuple(log_variance.shape)}"
        )
        raise ValueError(msg)
    together = -torch.logsumexp(-log_variance, dim=1)
    shares = (together.unsqueeze(1) - log_variance).exp()
    return Gaussian((shares * mean).sum(dim=1), together)


def draw_normals(distribution: Gaussian, noise: Tensor) -> Tensor:
    r"""Draw a code from each distribution, differentiably.

    .. math:: c = \mu + \sigma \epsilon

    Parameters
    ----------
    distribution : Gaussian of Tensor, any shape
        Distributions.
    noise : Tensor, a shape that they broadcast to
        Standard normal numbers :math:`\epsilon`, one for each number that is drawn.

    Returns
    -------
    Tensor, shape of ``noise``
    """
    mean, log_variance = distribution
    return mean + (log_variance / 2).exp() * noise


def kl_to_standard_normal(distribution: Gaussian) -> Tensor:
    r"""Sum the divergence from standard normal distributions over each code.

    .. math:: \mathrm{KL} = \tfrac12 \sum_d \big(\mu_d^2 + \sigma_d^2 - 1 - \log \sigma_d^2\big)

    Parameters
    ----------
    distribution : Gaussian of Tensor, shape (N, \*code)
        Distributions of N codes.

    Returns
    -------
    Tensor, shape (N,)
        Nats; 0 for standard normal codes.

    Examples
    --------
    >>> kl_to_standard_normal(Gaussian(torch.tensor([[1.0, 2.0]]), torch.zeros(1, 2)))
    tensor([2.5000])
    """
    mean, log_variance = distribution
    terms = mean.square() + log_variance.exp() - 1 - log_variance
    return terms.flatten(1).sum(dim=1) / 2
