"""Losses that compare a restored image with the true one."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F


def l1_loss(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Average the absolute error.

    .. math:: L = \frac{1}{M} \sum_m |\hat y_m - y_m|

    Parameters
    ----------
    prediction, target : Tensor, shape (N, C, Y, X)
        Restored and true images on the same scale.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    _check_shapes(prediction, target)
    return (prediction - target).abs().mean()


def mse_loss(prediction: Tensor, target: Tensor) -> Tensor:
    r"""Average the squared error.

    .. math:: L = \frac{1}{M} \sum_m (\hat y_m - y_m)^2

    Parameters
    ----------
    prediction, target : Tensor, shape (N, C, Y, X)
        Restored and true images on the same scale.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    _check_shapes(prediction, target)
    return (prediction - target).square().mean()


def multi_scale_loss(
    predictions: Sequence[Tensor],
    target: Tensor,
    *,
    criterion: Callable[[Tensor, Tensor], Tensor] = l1_loss,
) -> Tensor:
    r"""Add up a loss over the levels of an image pyramid.

    .. math:: L = \sum_{n=1}^{N} \ell(y_n, t_n), \qquad t_1 = t,\quad
              t_{n+1} = \text{2x2 mean of } t_n

    Parameters
    ----------
    predictions : sequence of Tensor, shapes (N, C, Y / 2^(n-1), X / 2^(n-1))
        Restored images, finest first, each of half the size of the one before; at least one.
    target : Tensor, shape (N, C, Y, X)
        True images at full size.
    criterion : callable from (prediction, target) to scalar Tensor
        Loss of one level; all levels count alike.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If there is no prediction, or one has not the size of its level.

    Notes
    -----
    The paper's text reports that the absolute error does better than the squared one that its
    equation prints; hence the default.

    References
    ----------
    Wang and Han, arXiv:2201.02876, eq. (5).
    """
    if not predictions:
        msg = "multi_scale_loss needs at least one prediction"
        raise ValueError(msg)
    losses = []
    for level, prediction in enumerate(predictions):
        if level > 0:
            target = F.avg_pool2d(target, 2)
        _check_shapes(prediction, target)
        losses.append(criterion(prediction, target))
    return torch.stack(losses).sum()


def tempered_error_loss(prediction: Tensor, target: Tensor, *, floor: float = 1e-6) -> Tensor:
    r"""Average the fourth root of the squared error over the images of a batch.

    .. math:: L = \frac{1}{N} \sum_n \big(\mathrm{MSE}_n + \epsilon\big)^{1/4}

    The gradient of one image grows as the inverse square root of its error. A mean of squared
    errors learns only from images far out of focus, where errors are large; its logarithm (the
    PSNR) only from images nearly in focus; this lies between the two.

    Parameters
    ----------
    prediction, target : Tensor, shape (N, C, Y, X)
        Restored and true images on the same scale.
    floor : float
        Squared error below which nothing is gained; > 0.

    Returns
    -------
    Tensor, shape ()

    Raises
    ------
    ValueError
        If the shapes differ.
    """
    _check_shapes(prediction, target)
    errors = (prediction - target).square().flatten(1).mean(dim=1)
    return (errors + floor).pow(0.25).mean()


def _check_shapes(prediction: Tensor, target: Tensor) -> None:
    """Refuse two tensors of different shape, which would be broadcast silently."""
    if prediction.shape != target.shape:
        msg = (
            f"prediction {tuple(prediction.shape)} and target {tuple(target.shape)} differ in shape"
        )
        raise ValueError(msg)
