"""How long and how fast a network learns."""

import torch
from pydantic import Field

from focusfix.config import FrozenModel


class FitSettings(FrozenModel):
    """How long and how fast to learn.

    Parameters
    ----------
    steps : int
        Optimiser steps in all.
    learning_rate : float
        Of Adam, after ``warmup_steps`` and before the last ``decay_share`` of the steps.
    betas : tuple of float
        Of Adam.
    decay_share : float
        Share of the steps over which the rate falls to a hundredth along a cosine.
    fall_steps : int, optional
        Steps after which, again and again, the rate falls to ``fall_factor`` of itself.
    linear_share : float
        Share of the steps over which, at the end, the rate falls to nothing along a line.
    average_decay : float
        Decay of the exponential moving average of the weights, which is what is kept; 0 keeps
        the weights themselves.
    clip_norm : float, optional
        Longest gradient step; longer ones are shortened to it. None leaves all as they are.
    """

    steps: int = Field(ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_steps: int = Field(default=100, ge=0)
    decay_share: float = Field(default=0.3, ge=0, le=1)
    fall_steps: int | None = Field(default=None, ge=1)
    fall_factor: float = Field(default=0.98, gt=0, le=1)
    linear_share: float = Field(default=0.0, ge=0, le=1)
    average_decay: float = Field(default=0.998, ge=0, lt=1)
    clip_norm: float | None = Field(default=1.0, gt=0)


def learning_rate_at(step: int, settings: FitSettings) -> float:
    """Rate of one step: linear warm-up, plateau that may fall, cosine to a hundredth."""
    rate = settings.learning_rate
    if settings.linear_share > 0:
        rate *= min(1.0, (settings.steps - step) / (settings.linear_share * settings.steps))
    if settings.fall_steps is not None:
        rate *= settings.fall_factor ** (step // settings.fall_steps)
    if step < settings.warmup_steps:
        return rate * (step + 1) / settings.warmup_steps
    decay_steps = settings.decay_share * settings.steps
    into_decay = step - (settings.steps - decay_steps)
    if into_decay <= 0 or decay_steps == 0:
        return rate
    phase = torch.tensor(torch.pi * min(1.0, into_decay / decay_steps))
    return rate * (0.01 + 0.99 * float(0.5 * (1 + torch.cos(phase))))
