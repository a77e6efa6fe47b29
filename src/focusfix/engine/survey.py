"""Look at every pixel of an image once, before any is changed: scales, gaps, constant channels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import Literal

import numpy as np

from focusfix.blocks import Block, PaintedBlock
from focusfix.engine.normalize import (
    HIGH_PERCENTILE,
    LOW_PERCENTILE,
    IntensitySample,
    IntensityScale,
)
from focusfix.engine.overlap import run_ahead
from focusfix.engine.percentiles import Pixels
from focusfix.engine.source import READ_BYTES, PixelSource, read_pieces
from focusfix.errors import InputError

NanPolicy = Literal["error", "fill"]


@dataclass(frozen=True)
class Survey:
    """What a look at all pixels found.

    Parameters
    ----------
    scales : tuple of IntensityScale
        One for each plane; planes of one channel share theirs.
    n_gaps : int
        NaN and Inf samples, which will be replaced.
    constant_channels : tuple of int
        Channels that hold one value only and are passed on unchanged.
    """

    scales: tuple[IntensityScale, ...]
    n_gaps: int
    constant_channels: tuple[int, ...]


def survey_source(
    source: PixelSource,
    channel_of_plane: Sequence[int],
    *,
    low: float = LOW_PERCENTILE,
    high: float = HIGH_PERCENTILE,
    camera_offset: float | None = None,
    nan_policy: NanPolicy = "error",
    copied_samples: Sequence[int] = (),
    companions: Sequence[PixelSource] = (),
) -> Survey:
    """Fit one intensity scale for each channel of an image, or of several of one field together.

    Parameters
    ----------
    source : PixelSource
        The image.
    channel_of_plane : sequence of int
        Channel that each plane of ``source`` belongs to.
    low, high, camera_offset
        As in `focusfix.engine.normalize.fit_intensity_scale`.
    nan_policy : {"error", "fill"}
        Refuse NaN and Inf pixels, or have them replaced by the median of their channel.
    copied_samples : sequence of int
        Samples that are no intensities, such as alpha; left out.
    companions : sequence of PixelSource
        Other images of the same field, with the same planes. Their pixels count like those of
        ``source``, so that one scale fits all.

    Returns
    -------
    Survey
        Scales and findings, of all images together.

    Raises
    ------
    InputError
        If pixels are not finite under the policy "error", or a channel has no finite pixel.
    """
    used = [s for s in range(source.samples) if s not in set(copied_samples)]
    samples: dict[int, IntensitySample] = {}
    gaps = _Gaps()
    images = (source, *companions)
    dtype = np.result_type(*(image.dtype for image in images))
    for image in images:
        for block, stored in _read(image, source.n_planes):
            pixels = stored if len(used) == image.samples else stored[..., used]
            sample = samples.setdefault(channel_of_plane[block.plane], IntensitySample())
            sample.add(pixels.astype(dtype, copy=False))
            gaps.add(block, pixels)
    if gaps.count and nan_policy == "error":
        raise InputError(
            f"{gaps.count} pixels are NaN or Inf, first in {gaps.first}.",
            "Use --nan-policy fill to replace them by the median of their channel.",
        )
    scales = {}
    for channel, sample in samples.items():
        scale = sample.scale(low=low, high=high, camera_offset=camera_offset)
        fill = sample.percentiles((50.0,))[0] if gaps.count else None
        scales[channel] = replace(scale, fill=fill)
    return Survey(
        scales=tuple(scales[channel] for channel in channel_of_plane),
        n_gaps=gaps.count,
        constant_channels=tuple(sorted(c for c, scale in scales.items() if scale.constant)),
    )


def _read(image: PixelSource, n_planes: int) -> Iterator[PaintedBlock]:
    """Read all planes in pieces; ahead of who counts them if they are more than one piece holds."""
    pieces = read_pieces(image, range(n_planes))
    size = n_planes * prod(image.shape_yx) * image.samples * image.dtype.itemsize
    return run_ahead(pieces, name="focusfix-survey") if size > READ_BYTES else pieces


class _Gaps:
    """Count of pixels that are not finite, and where the first one lies."""

    def __init__(self) -> None:
        self.count = 0
        self.first = ""

    def add(self, block: Block, pixels: Pixels) -> None:
        if pixels.dtype.kind != "f":
            return
        gaps = ~np.isfinite(pixels)
        n_gaps = int(np.count_nonzero(gaps))
        if n_gaps and not self.count:
            row, column = (int(axis[0]) for axis in np.nonzero(gaps)[:2])
            row, column = block.rows.start + row, block.columns.start + column
            self.first = f"plane {block.plane} at row {row}, column {column}"
        self.count += n_gaps
