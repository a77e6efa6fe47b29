"""The lesson of the multi-level VAE: groups of one field at several levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from focusfix.data.samples import CropGroup
from focusfix.latent.gaussian import (
    Gaussian,
    draw_normals,
    kl_to_standard_normal,
    multiply_normals,
)
from focusfix.losses.disentangled import ml_vae_loss
from focusfix.models.base import Restorer
from focusfix.models.ml_vae import MultiLevelVAE
from focusfix.training.lesson import Arithmetic, Lesson, LessonContext, Shown
from focusfix.training.lessons.disentangled import (
    FINISHING_SAMPLES,
    KnownImages,
    show_swaps,
    store_codes,
)
from focusfix.training.lessons.image_distance import (
    ImageDistance,
    PerceptualOptions,
    build_distance,
)

if TYPE_CHECKING:
    from focusfix.training.data_sources import SampleSource, TrainingData

ML_VAE_PRESET: Mapping[str, Any] = MappingProxyType(
    {
        "learning_rate": 1e-3,
        "batch_size": 4,
        "schedule": "stepped",
        "epochs": 400,
        "patience": 0,
        "crop_size": 128,
    }
)
"""Settings of the thesis, whose rate falls by 2 % every five epochs; its batch is not known."""

_SEED_STEP = 1_000_003


class GroupBatch(NamedTuple):
    """Groups of images of one field.

    Parameters
    ----------
    images : Tensor, shape (G, K, 1, Y, X)
        K levels of each of G crops.
    in_focus, donor : Tensor, shape (G, 1, Y, X)
        The crop in focus, and that of another group.
    dz_um : Tensor, shape (G, K)
        Signed distances from focus; micrometres, NaN where not known.
    noise_seed : Tensor, shape (G,), int64
        Decides the noise that codes are drawn with.
    """

    images: Tensor
    in_focus: Tensor
    donor: Tensor
    dz_um: Tensor
    noise_seed: Tensor


class MlVaeOptions(PerceptualOptions):
    """Settings of the lesson.

    Parameters
    ----------
    group_size : int
        Levels of a crop that make a group.
    kl_identity, kl_blur : float
        Weights of the divergences from the prior, which are divided by the pixels of a crop.
    kl_warmup : float
        Share of the run over which these weights grow from 0.
    """

    group_size: int = Field(default=4, ge=2, le=64)
    kl_identity: float = Field(default=1.0, ge=0)
    kl_blur: float = Field(default=1.0, ge=0)
    kl_warmup: float = Field(default=0.1, ge=0, le=1)


@dataclass(frozen=True)
class MlVaeLesson(Lesson[GroupBatch]):
    """Reconstruct every image from the identity of its group and the blur of its own.

    Parameters
    ----------
    options : MlVaeOptions
        Size of groups and weights.
    distance : ImageDistance
        How images are compared.
    warmup_steps : float
        Steps over which the weights of the divergences grow.
    seed : int
        Of the noise.
    arithmetic : Arithmetic
        Device and number format.
    """

    options: MlVaeOptions
    distance: ImageDistance
    warmup_steps: float = 0.0
    seed: int = 0
    arithmetic: Arithmetic = field(default_factory=Arithmetic)

    def batch(self, source: "SampleSource", first: int, count: int) -> GroupBatch:
        """Stack groups; donors are the images in focus of the groups before."""
        size = self.options.group_size
        drawn = [source.group(index, size=size) for index in range(first, first + count)]
        return self._stack(drawn, first)

    def validation_batch(self, source: "SampleSource", count: int) -> GroupBatch:
        """Stack the first groups, a level out of focus first: an image in focus is no task."""
        size = self.options.group_size
        drawn = [_blurred_first(source.group(index, size=size)) for index in range(count)]
        return self._stack(drawn, 0)

    def _stack(self, drawn: Sequence[CropGroup], first: int) -> GroupBatch:
        in_focus = torch.from_numpy(np.stack([each.in_focus for each in drawn])[:, None])
        return GroupBatch(
            images=torch.from_numpy(np.stack([each.images for each in drawn])[:, :, None]),
            in_focus=in_focus,
            donor=in_focus.roll(1, 0),
            dz_um=torch.from_numpy(np.stack([each.dz_um for each in drawn])),
            noise_seed=torch.arange(first, first + len(drawn)) + _SEED_STEP * self.seed,
        )

    def losses(self, network: nn.Module, batch: GroupBatch, step: int) -> dict[str, Tensor]:
        """Compute the objective; noise is drawn for every member of a group."""
        assert isinstance(network, MultiLevelVAE)
        groups, size = batch.images.shape[:2]
        images = batch.images.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        with self.arithmetic.autocast():
            identity, blur = (_as_float(each) for each in network.encode_normals(images))
        members = Gaussian(*(part.reshape(groups, size, *part.shape[1:]) for part in identity))
        together = multiply_normals(members)
        noise = _draw_noise(batch.noise_seed, members.mean.shape[1:]).to(images.device)
        shared = Gaussian(*(part.unsqueeze(1) for part in together))
        codes = (
            draw_normals(shared, noise[:, 0]).flatten(0, 1),
            draw_normals(blur, noise[:, 1].flatten(0, 1)),
        )
        with self.arithmetic.autocast():
            made = network.decode(*codes)
        reconstruction = self.distance(made.float(), images)
        divergences = kl_to_standard_normal(together), kl_to_standard_normal(blur)
        return self._total(reconstruction, *divergences, pixels=images[0].numel(), step=step)

    def _total(
        self,
        reconstruction: Tensor,
        kl_identity: Tensor,
        kl_blur: Tensor,
        *,
        pixels: int,
        step: int,
    ) -> dict[str, Tensor]:
        warmth = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        loss = ml_vae_loss(
            reconstruction,
            kl_identity,
            kl_blur,
            pixels=pixels,
            identity_weight=warmth * self.options.kl_identity,
            blur_weight=warmth * self.options.kl_blur,
        )
        return {
            "loss": loss,
            "reconstruction": reconstruction,
            "kl_identity": kl_identity.mean() / pixels,
            "kl_blur": kl_blur.mean() / pixels,
        }

    def restore(self, network: Restorer, batch: GroupBatch) -> Shown:
        """Deblur the first member of every group for itself, with the stored focus code."""
        assert isinstance(network, MultiLevelVAE)
        images = batch.images[:, 0]
        with self.arithmetic.autocast():
            return show_swaps(network, images, batch.in_focus, batch.donor, network.encode(images))

    def finish(self, network: Restorer, source: "SampleSource") -> None:
        """Store the blur code of images in focus."""
        assert isinstance(network, MultiLevelVAE)
        batch = self.batch(source, 0, FINISHING_SAMPLES)
        known = KnownImages(batch.images[:, 0], batch.dz_um[:, 0], batch.in_focus)
        store_codes(network, known)

    def samples_per_epoch(self, data: "TrainingData") -> int:
        """Count groups of images."""
        return max(1, data.crops_per_epoch // self.options.group_size)

    def describe(self, data: "TrainingData") -> dict[str, Any]:
        """Count the fields with enough levels in each split, and say how images are compared."""
        fields = data.count_groups(self.options.group_size)
        return {
            f"fields with {self.options.group_size} levels": fields,
            "compared by": self.distance.description,
        }


def _blurred_first(group: CropGroup) -> CropGroup:
    """Put the members in the order of the group, but for one out of focus in front."""
    order = np.argsort(group.levels == 0, kind="stable")
    return group._replace(
        images=group.images[order], levels=group.levels[order], dz_um=group.dz_um[order]
    )


def _as_float(distribution: Gaussian) -> Gaussian:
    return Gaussian(distribution.mean.float(), distribution.log_variance.float())


def _draw_noise(seeds: Tensor, shape: torch.Size) -> Tensor:
    """Draw two sets of standard normal numbers for each group, from its seed alone."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]
    return torch.stack([torch.randn((2, *shape), generator=each) for each in generators])


def build_ml_vae_lesson(context: LessonContext) -> MlVaeLesson:
    """Build the lesson for the objective "ml-vae"."""
    options = MlVaeOptions.model_validate(context.options)
    warmup_steps = options.kl_warmup * context.steps
    distance = build_distance(context, options)
    return MlVaeLesson(options, distance, warmup_steps, context.seed, context.arithmetic)
