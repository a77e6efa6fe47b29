"""Intensity scales of an image as the model card and the user want them."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from focusfix.cli.choices import NanPolicy, Normalization
from focusfix.cli.console import Console
from focusfix.cli.model_choice import Choice
from focusfix.errors import InputError

if TYPE_CHECKING:
    from focusfix.engine.normalize import IntensityScale
    from focusfix.engine.source import PixelSource
    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageMetadata, ImageReader

_SQUARE_TO = 0.01


def fit_scales(
    reader: "ImageReader",
    choice: Choice,
    *,
    normalize: Normalization,
    camera_offset: float | None,
    nan_policy: NanPolicy,
    companions: "Sequence[PixelSource]" = (),
) -> "Survey":
    """Look at all pixels of an image and fit one scale for each channel.

    Parameters
    ----------
    reader : ImageReader
        The image.
    choice : Choice
        Whose model card says which percentiles become 0 and 1.
    normalize : Normalization
        Percentiles, or the range of the pixel type.
    camera_offset : float, optional
        Grey value of darkness, in place of the low percentile.
    nan_policy : NanPolicy
        Refuse pixels that are not finite, or have them filled.
    companions : sequence of PixelSource
        Other images of the field, which share the scales.

    Returns
    -------
    Survey
        Scales of all planes, and what was found.

    Raises
    ------
    InputError
        As :func:`focusfix.engine.survey.survey_source`.
    """
    return fit_channel_scales(
        reader,
        normalize=normalize,
        camera_offset=camera_offset,
        nan_policy=nan_policy,
        companions=companions,
        low=choice.header.intensity.low_percentile,
        high=choice.header.intensity.high_percentile,
    )


def usual_scales(
    reader: "ImageReader",
    choice: Choice,
    nan_policy: NanPolicy,
    console: Console,
    companions: "Sequence[PixelSource]" = (),
) -> "Survey":
    """Fit the scales that the model card asks for, and say what the user should know of them.

    Parameters
    ----------
    reader, choice, nan_policy
        As for :func:`fit_scales`.
    console : Console
        Where the run reports.
    companions : sequence of PixelSource
        As for :func:`fit_scales`.

    Returns
    -------
    Survey
        As by :func:`fit_scales`.
    """
    survey = fit_scales(
        reader,
        choice,
        normalize=Normalization.AUTO,
        camera_offset=None,
        nan_policy=nan_policy,
        companions=companions,
    )
    tell_findings(reader, [(choice, survey)], console)
    return survey


def fit_channel_scales(
    reader: "ImageReader",
    *,
    normalize: Normalization,
    camera_offset: float | None,
    nan_policy: NanPolicy,
    companions: "Sequence[PixelSource]" = (),
    low: float = 0.1,
    high: float = 99.9,
) -> "Survey":
    """Look at all pixels of an image and fit one scale for each channel, without a model card.

    Parameters
    ----------
    reader, normalize, camera_offset, nan_policy, companions
        As for :func:`fit_scales`.
    low, high : float
        Percentiles that become 0 and 1.

    Returns
    -------
    Survey
        Scales of all planes, and what was found.

    Raises
    ------
    InputError
        As :func:`focusfix.engine.survey.survey_source`.
    """
    from focusfix.engine.survey import survey_source
    from focusfix.operations.images import ReaderSource

    source = ReaderSource(reader)
    survey = survey_source(
        source,
        source.channel_of_plane,
        low=low,
        high=high,
        camera_offset=camera_offset,
        nan_policy=nan_policy.value,
        copied_samples=source.copied_samples,
        companions=companions,
    )
    if normalize is Normalization.AUTO:
        return survey
    darkest, brightest = pixel_range(reader.metadata)
    darkest = darkest if camera_offset is None else camera_offset
    gain = 1 / (brightest - darkest)
    scales = (
        scale if scale.constant else replace(scale, offset=darkest, gain=gain)
        for scale in survey.scales
    )
    return replace(survey, scales=tuple(scales))


def unit_scales(reader: "ImageReader", nan_policy: NanPolicy) -> "tuple[IntensityScale, ...]":
    """Make scales that leave grey values as they are, for physics that needs no unit range.

    Parameters
    ----------
    reader : ImageReader
        The image; read only if its pixel type has NaN and Inf.
    nan_policy : NanPolicy
        Refuse such pixels, or have them filled with the median of their channel.

    Returns
    -------
    tuple of IntensityScale
        One for each plane.

    Raises
    ------
    InputError
        If there are such pixels and the policy is to refuse them.
    """
    from focusfix.engine.normalize import IntensityScale
    from focusfix.engine.survey import survey_source
    from focusfix.operations.images import ReaderSource

    source = ReaderSource(reader)
    if source.dtype.kind != "f":
        return (IntensityScale(offset=0.0, gain=1.0),) * source.n_planes
    survey = survey_source(
        source,
        source.channel_of_plane,
        nan_policy=nan_policy.value,
        copied_samples=source.copied_samples,
    )
    return tuple(replace(scale, offset=0.0, gain=1.0) for scale in survey.scales)


def pixel_range(metadata: "ImageMetadata") -> tuple[float, float]:
    """Give the smallest and largest grey value that a pixel type, or declared bit depth, holds.

    Returns
    -------
    tuple of float
        0 and 1 for floating-point images.
    """
    import numpy as np

    if metadata.dtype.kind == "f":
        return 0.0, 1.0
    if metadata.significant_bits is not None:
        return 0.0, float(2**metadata.significant_bits - 1)
    bounds = np.iinfo(metadata.dtype)
    return max(float(bounds.min), 0.0), float(bounds.max)


def square_pixel_um(metadata: "ImageMetadata") -> float | None:
    """Return the side of a pixel in micrometres; None if it is not known or not square."""
    if metadata.pixel_size_um is None:
        return None
    y_um, x_um = metadata.pixel_size_um
    return math.sqrt(y_um * x_um) if abs(y_um / x_um - 1) <= _SQUARE_TO else None


def tell_findings(
    reader: "ImageReader", found: "Sequence[tuple[Choice, Survey]]", console: Console
) -> None:
    """Refuse an image without contrast; warn of channels that are copied and pixels filled.

    Raises
    ------
    InputError
        If every channel to be restored holds one grey value only.
    """
    tell_channel_findings(reader, [(choice.channels, each) for choice, each in found], console)


def tell_channel_findings(
    reader: "ImageReader", found: "Sequence[tuple[Sequence[int], Survey]]", console: Console
) -> None:
    """Do the same for channels that no weights were chosen for."""
    flat = [
        channel
        for channels, survey in found
        for channel in channels
        if channel in survey.constant_channels
    ]
    if len(flat) == sum(len(channels) for channels, _ in found):
        raise InputError(
            f"{reader.path} holds one grey value only: there is nothing to restore.",
            "Check that it is the right file and that it was not exported blank.",
        )
    for channel in flat:
        console.warning(f"{reader.path}: channel {channel} holds one grey value and is copied")
    n_gaps = found[0][1].n_gaps
    if n_gaps:
        console.warning(
            f"{reader.path}: {n_gaps} pixels that are NaN or Inf were replaced by the median "
            "of their channel"
        )
