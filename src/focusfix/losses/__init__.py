"""Losses: one pure function per equation."""

from focusfix.losses.image import l1_loss, mse_loss, multi_scale_loss, tempered_error_loss
from focusfix.losses.latent_line import (
    Triplet,
    baseline_loss,
    direct_loss,
    indirect_loss,
    latent_line_loss,
    scale_free_line_loss,
)

__all__ = [
    "Triplet",
    "baseline_loss",
    "direct_loss",
    "indirect_loss",
    "l1_loss",
    "latent_line_loss",
    "mse_loss",
    "multi_scale_loss",
    "scale_free_line_loss",
    "tempered_error_loss",
]
