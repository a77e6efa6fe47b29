"""Two networks against each other: one makes images, the other one tells them from true ones.

References
----------
Mao et al., "Least squares generative adversarial networks", ICCV 2017.
"""

import torch
from torch import Tensor

_HALF = 0.5
_SMALLEST = 1e-12


def opinion_loss(of_made: Tensor) -> Tensor:
    r"""Say how far a critic is from taking made images for true ones.

    .. math:: L = \big\langle (C(y) - 1)^2 \big\rangle

    Parameters
    ----------
    of_made : Tensor, any shape
        What the critic says of made images; near 1 for true.

    Returns
    -------
    Tensor, shape ()
    """
    return (of_made - 1).square().mean()


def judgement_loss(of_true: Tensor, of_made: Tensor) -> Tensor:
    r"""Say how far a critic is from telling made images from true ones.

    .. math:: L_C = \tfrac12 \big\langle (C(t) - 1)^2 \big\rangle
                    + \tfrac12 \big\langle C(y)^2 \big\rangle

    Parameters
    ----------
    of_true, of_made : Tensor, any shape
        What the critic says of true and of made images.

    Returns
    -------
    Tensor, shape ()
    """
    return _HALF * ((of_true - 1).square().mean() + of_made.square().mean())


def judgement_accuracy(of_true: Tensor, of_made: Tensor) -> Tensor:
    """Say how often a critic is right; one that guesses, or always says the same, has 0.5.

    Parameters
    ----------
    of_true, of_made : Tensor, any shape
        What the critic says of true and of made images; from 0.5 on it means true.

    Returns
    -------
    Tensor, shape ()
        0 to 1; true and made images count alike.
    """
    return _HALF * ((of_true >= _HALF).float().mean() + (of_made < _HALF).float().mean())


def variation(made: Tensor, true: Tensor) -> Tensor:
    r"""Compare how much made images differ among themselves with how much true ones do.

    .. math:: v = \sqrt{\frac{\sum_n \|y_n - y_{n-1}\|^2}{\sum_n \|t_n - t_{n-1}\|^2}}

    around the batch; a single image is compared with its mirror image.

    Parameters
    ----------
    made, true : Tensor, shape (N, C, Y, X)
        Images of as many samples.

    Returns
    -------
    Tensor, shape ()
        Near 0 for a network that makes the same of everything; 1 if all is well.
    """
    spreads = [(each - _neighbour(each)).square().mean() for each in (made, true)]
    return torch.sqrt(spreads[0] / spreads[1].clamp(min=_SMALLEST))


def _neighbour(images: Tensor) -> Tensor:
    return images.roll(1, 0) if len(images) > 1 else images.flip(-1)
