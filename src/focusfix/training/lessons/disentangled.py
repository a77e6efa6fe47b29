"""What the lessons of all disentangled networks share: stored codes and scores."""

from dataclasses import dataclass

import torch
from torch import Tensor

from focusfix.models.manifold_line import ManifoldLineAutoencoder
from focusfix.models.two_code_model import Codes, DisentangledModel
from focusfix.training.lesson import Shown
from focusfix.training.validation import psnr_db

FINISHING_SAMPLES = 48
"""Training samples that the stored codes are read from."""

_AT_ONCE = 16


@dataclass(frozen=True)
class KnownImages:
    """Training images at known distances from focus.

    Parameters
    ----------
    images : Tensor, shape (N, 1, Y, X)
        Out of focus, at any level.
    dz_um : Tensor, shape (N,)
        Their signed distances from focus; micrometres, NaN where not known.
    in_focus : Tensor, shape (M, 1, Y, X)
        In focus.
    """

    images: Tensor
    dz_um: Tensor
    in_focus: Tensor


def store_codes(network: DisentangledModel, known: KnownImages) -> None:
    """Store what a network keeps beside its weights: focus code, and distances from focus.

    Parameters
    ----------
    network : DisentangledModel
        With its final weights, in evaluation mode. The distances are learned by networks whose
        blur code is one number, where they are known.
    known : KnownImages
        What they are learned from.
    """
    with torch.no_grad():
        if isinstance(network, ManifoldLineAutoencoder):
            _calibrate(network, known)
        network.set_focus_code(_blur_codes(network, known.in_focus))


def _calibrate(network: ManifoldLineAutoencoder, known: KnownImages) -> None:
    """Relate codes to micrometres; images in focus are images at 0."""
    dz_um = torch.cat([known.dz_um, known.dz_um.new_zeros(len(known.in_focus))])
    is_known = dz_um.isfinite()
    if int(is_known.sum()) == 0 or float(dz_um[is_known].std(correction=0)) == 0:
        return
    images = torch.cat([known.images, known.in_focus])[is_known]
    network.calibrate(_blur_codes(network, images), dz_um[is_known])


def _blur_codes(network: DisentangledModel, images: Tensor) -> Tensor:
    device = next(network.parameters()).device
    parts = torch.split(images, _AT_ONCE)
    return torch.cat([network.encode(part.to(device)).blur for part in parts])


def show_swaps(
    network: DisentangledModel, images: Tensor, targets: Tensor, donors: Tensor, codes: Codes
) -> Shown:
    """Deblur with the stored focus code, and beside it with those of donors.

    Parameters
    ----------
    network : DisentangledModel
        In evaluation mode, with a stored focus code.
    images, targets : Tensor, shape (N, 1, Y, X)
        Out of focus and in focus.
    donors : Tensor, shape (N, 1, Y, X)
        In-focus images of other identities.
    codes : Codes
        Of ``images``.

    Returns
    -------
    Shown
        With the scores ``donor_psnr_db`` and ``reconstruction_psnr_db``, the latter of the images
        as they are.
    """
    restored = network.decode(codes.identity, network.focus_code.unsqueeze(0))
    donated = network.decode(codes.identity, network.encode(donors).blur)
    scores = {
        "donor_psnr_db": psnr_db(donated.float(), targets),
        "reconstruction_psnr_db": psnr_db(network.decode(*codes).float(), images),
    }
    return Shown(images, restored, targets, scores)
