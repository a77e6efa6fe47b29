"""The lesson of latent-line autoencoders: triplets of one field, three objectives."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from focusfix.config import FrozenModel
from focusfix.data.level_choice import TripletPattern
from focusfix.data.samples import CropTriplet
from focusfix.data.series_sampler import SeriesSampler
from focusfix.latent.line import interpolate_latents
from focusfix.losses import (
    Triplet,
    baseline_loss,
    l1_loss,
    latent_line_loss,
    mse_loss,
    scale_free_line_loss,
)
from focusfix.models.base import Restorer
from focusfix.models.line_model import LatentLineModel
from focusfix.training.data_sources import SampleSource, TrainingData
from focusfix.training.lesson import Arithmetic, Lesson, LessonContext, LossName, Shown
from focusfix.training.validation import psnr_db

LineObjective = Literal["line-baseline", "line-indirect", "line-direct"]
"""Reconstruct the ends; also synthesise the image between; also put its code on the line."""

PAPER_PRESET: Mapping[str, Any] = MappingProxyType(
    {
        "learning_rate": 1e-4,
        "batch_size": 4,
        "accumulate": 4,
        "schedule": "constant",
        "epochs": 40,
        "patience": 0,
        "crop_size": 128,
        "lesson": {"triplets": "dyadic", "crops": "ten-crop"},
    }
)
"""Settings of the paper: Adam at a constant rate, 16 triplets of ten crops in a step, 40 epochs."""

_CRITERIA: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {"l1": l1_loss, "mse": mse_loss}


class LineOptions(FrozenModel):
    """Settings of the lesson.

    Parameters
    ----------
    triplets : {"auto", "dyadic", "full"}
        Which three levels of a side of focus.
    crops : {"random", "ten-crop"}
        At random places, turned and mirrored; or the corners and the centre, plain and mirrored,
        with validation at the centre only.
    scale_free : bool
        Measure the distance of a code from the line in units of the line's length.
    """

    triplets: TripletPattern = "auto"
    crops: Literal["random", "ten-crop"] = "random"
    scale_free: bool = False


class TripletBatch(NamedTuple):
    """Crops of N fields at three levels on one side of focus.

    Parameters
    ----------
    sharper, between, blurrier : Tensor, shape (N, 1, Y, X)
        One intensity scale for a field.
    alpha : Tensor, shape (N,)
        Weight of the sharper level in the one between.
    """

    sharper: Tensor
    between: Tensor
    blurrier: Tensor
    alpha: Tensor


@dataclass(frozen=True)
class LineLesson(Lesson[TripletBatch]):
    """Reconstruct, synthesise and straighten, as far as the objective asks for it.

    Images of a batch go through the encoder together, whatever their level, and so do codes
    through the decoder: batch norm sees all blurs at once.

    Parameters
    ----------
    objective : {"line-baseline", "line-indirect", "line-direct"}
        Of :mod:`focusfix.losses.latent_line`.
    loss : {"l1", "mse"}
        How images and codes are compared.
    options : LineOptions
        Triplets and crops.
    arithmetic : Arithmetic
        Device and number format of training; validation is in fp32, since extrapolation amplifies
        rounding.

    References
    ----------
    Mazilu, Wang et al., CAIP 2023.
    """

    titles: ClassVar[tuple[str, str, str]] = ("sharper input", "extrapolated", "truth")

    objective: LineObjective
    loss: LossName
    options: LineOptions = field(default_factory=LineOptions)
    arithmetic: Arithmetic = field(default_factory=Arithmetic)

    def batch(self, source: SampleSource, first: int, count: int) -> TripletBatch:
        """Stack triplets; of ten-crop numbers, all ten crops."""
        return stack_triplets(list(self._draw(source, first, count)))

    def _draw(self, source: SampleSource, first: int, count: int) -> Iterator[CropTriplet]:
        pattern = self.options.triplets
        for index in range(first, first + count):
            if self.options.crops == "random":
                yield source.triplet(index, pattern=pattern)
            else:
                yield from _in_turn(source).ten_crops(index, pattern=pattern)

    def validation_batch(self, source: SampleSource, count: int) -> TripletBatch:
        """Stack the first triplets; those of ten-crop runs at the centre."""
        if self.options.crops == "random":
            return self.batch(source, 0, count)
        drawn, pattern = _in_turn(source), self.options.triplets
        return stack_triplets([drawn.centre_crop(index, pattern=pattern) for index in range(count)])

    def losses(self, network: nn.Module, batch: TripletBatch, step: int) -> dict[str, Tensor]:  # noqa: ARG002 - the same at every step
        """Compute the terms of the objective, and the mean size of the codes' elements."""
        assert isinstance(network, LatentLineModel)
        codes = self._encode(network, batch)
        ends = (codes[0], codes[-1])
        middle = []
        if self.objective != "line-baseline":
            middle = [interpolate_latents(*ends, alpha=batch.alpha)]
        with self.arithmetic.autocast():
            decoded = network.decode(torch.cat([*ends, *middle]))
        made = decoded.float().chunk(2 + len(middle))
        criterion = _CRITERIA[self.loss]
        true = (batch.sharper, batch.blurrier)
        terms = {"reconstruction": baseline_loss((made[0], made[1]), true, criterion=criterion)}
        if self.objective != "line-baseline":
            terms["synthesis"] = criterion(made[2], batch.between)
        if self.objective == "line-direct":
            terms["line"] = self._line_loss(Triplet(*codes), middle[0])
        size = torch.cat(ends).detach().abs().mean()
        return {"loss": torch.stack(list(terms.values())).sum(), **terms, "code_size": size}

    def _encode(self, network: LatentLineModel, batch: TripletBatch) -> Sequence[Tensor]:
        """Encode the images that the objective looks at, sharper first and blurrier last."""
        between = [batch.between] if self.objective == "line-direct" else []
        seen = [batch.sharper, *between, batch.blurrier]
        images = torch.cat(seen).contiguous(memory_format=torch.channels_last)
        with self.arithmetic.autocast():
            encoded = network.encode(images)
        return encoded.float().chunk(len(seen))

    def _line_loss(self, codes: Triplet, interpolated: Tensor) -> Tensor:
        criterion = _CRITERIA[self.loss]
        if self.options.scale_free:
            return scale_free_line_loss(codes, interpolated, criterion=criterion)
        return latent_line_loss(codes.between, interpolated, criterion=criterion)

    def restore(self, network: Restorer, batch: TripletBatch) -> Shown:
        """Extrapolate the sharper image from the two others.

        Scored beside it: the image between, synthesised from its ends, and the sharper image
        reconstructed from its own code, which bounds what codes without shortcuts can reach.
        """
        assert isinstance(network, LatentLineModel)
        sharper, between, blurrier, alpha = batch
        restored = network.extrapolate_images(between, blurrier, alpha=alpha)
        synthesised = network.interpolate_images(sharper, blurrier, alpha=alpha)
        scores = {
            "synthesis_psnr_db": psnr_db(synthesised, between),
            "reconstruction_psnr_db": psnr_db(network(sharper), sharper),
        }
        return Shown(between, restored, sharper, scores)

    def samples_per_epoch(self, data: TrainingData) -> int:
        """Count the triplets of levels for ten-crop runs, otherwise crops."""
        if self.options.crops == "random":
            return data.crops_per_epoch
        return data.count_triplets(self.options.triplets)["train"]

    def describe(self, data: TrainingData) -> dict[str, Any]:
        """Count the triplets of each split."""
        return {"triplets": data.count_triplets(self.options.triplets)}


def _in_turn(source: SampleSource) -> SeriesSampler:
    """Take the source of ten-crop numbers: simulated data are refused before."""
    assert isinstance(source, SeriesSampler)
    return source


def stack_triplets(drawn: Sequence[CropTriplet]) -> TripletBatch:
    """Stack triplets of crops."""
    sharper, between, blurrier = (
        torch.from_numpy(np.stack([each[i] for each in drawn])[:, None]) for i in range(3)
    )
    alpha = torch.tensor([each.alpha for each in drawn], dtype=torch.float32)
    return TripletBatch(sharper, between, blurrier, alpha)


def build_line_lesson(context: LessonContext) -> LineLesson:
    """Build the lesson of the objectives "line-baseline", "line-indirect" and "line-direct"."""
    objective: Any = context.objective
    options = LineOptions.model_validate(dict(context.options))
    return LineLesson(objective, context.loss, options, context.arithmetic)
