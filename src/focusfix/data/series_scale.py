"""What has to be measured on a focal series before it is used: its focal level and its scale."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from focusfix.data.focus_series import FocusSeries, PlaneSource
from focusfix.data.planes import PlaneStore
from focusfix.engine.normalize import IntensitySample, IntensityScale
from focusfix.errors import InputError
from focusfix.metrics.focus import measure_sharpness
from focusfix.metrics.modality import guess_modality

_WORKERS = 4
_MEASURED_PX = 1024


@dataclass(frozen=True)
class FittedSeries:
    """A focal series that crops can be drawn from.

    Parameters
    ----------
    series : FocusSeries
        Paths and levels.
    focal_level : int
        The z-level in focus.
    scale : IntensityScale
        One for all z-levels.
    modality : {"fluorescence", "brightfield"}
        How the field was taken, by the look of its in-focus plane.
    """

    series: FocusSeries
    focal_level: int
    scale: IntensityScale
    modality: Literal["fluorescence", "brightfield"]


def with_z_spacing(series: Sequence[FocusSeries], spacing_um: float) -> tuple[FocusSeries, ...]:
    """State the distance of neighbouring z-levels for series whose files do not, or wrongly.

    Parameters
    ----------
    series : sequence of FocusSeries
        Whatever heights they have.
    spacing_um : float
        Micrometres, > 0.

    Returns
    -------
    tuple of FocusSeries
    """
    return tuple(
        replace(each, z_um=tuple(level * spacing_um for level in each.z_levels)) for each in series
    )


def fit_series(
    series: Sequence[FocusSeries], *, on_progress: Callable[[float], None] = lambda _: None
) -> tuple[FittedSeries, ...]:
    """Read every plane once, to scale each field and to find its plane in focus.

    Parameters
    ----------
    series : sequence of FocusSeries
        Where ``focal_level`` is not declared, the sharpest plane is taken.
    on_progress : callable
        Gets the share that is done, 0 to 1.

    Returns
    -------
    tuple of FittedSeries
        In the order of ``series``.

    Raises
    ------
    InputError
        If a file cannot be read, pixels are not finite, or a field holds one value only.
    """
    fitted = []
    with ThreadPoolExecutor(_WORKERS) as pool:
        for each in pool.map(fit_one_series, series):
            fitted.append(each)
            on_progress(len(fitted) / len(series))
    return tuple(fitted)


def fit_one_series(series: FocusSeries) -> FittedSeries:
    """Read every plane of one series, to scale it and to find its plane in focus.

    Parameters
    ----------
    series : FocusSeries
        As for :func:`fit_series`.

    Returns
    -------
    FittedSeries

    Raises
    ------
    InputError
        As :func:`fit_series`.
    """
    sample, sharpness = IntensitySample(), []
    with closing(PlaneStore(budget_bytes=0)) as planes:
        for source in series.planes:
            pixels = _read(planes, source, series.samples)
            sample.add(pixels)
            if series.focal_level is None:
                sharpness.append(_sharpness(source, pixels))
        focal_level = series.focal_level
        if focal_level is None:
            focal_level = series.z_levels[int(np.argmax(sharpness))]
        in_focus = _read(planes, series.plane_at(focal_level), series.samples)
    scale = sample.scale()
    if scale.constant:
        raise InputError(
            f"{series.planes[0].path}: all pixels of the field {series.name} are {scale.offset:g}.",
            "Remove this field.",
        )
    return FittedSeries(series, focal_level, scale, guess_modality(in_focus))


def _read(planes: PlaneStore, source: PlaneSource, samples: int) -> npt.NDArray[np.generic]:
    pixels = planes.read(source)[..., :samples]
    if pixels.dtype.kind == "f" and not np.isfinite(pixels).all():
        raise InputError(
            f"{source.path}: plane {source.plane} holds NaN or infinite pixels.",
            "Replace them, or remove this field from the training data.",
        )
    return pixels


def _sharpness(source: PlaneSource, pixels: npt.NDArray[np.generic]) -> float:
    middle = tuple(
        slice(max(size - _MEASURED_PX, 0) // 2, (size + _MEASURED_PX) // 2)
        for size in pixels.shape[:2]
    )
    try:
        return measure_sharpness(pixels[middle].astype(np.float64).mean(axis=-1))
    except ValueError as error:
        raise InputError(
            f"{source.path} is too small to find the plane in focus ({error}).",
            "Give the level with --focal-level.",
        ) from error
