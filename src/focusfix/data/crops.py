"""Cut crops from the planes of a focal series: where, how turned, on which scale."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from focusfix.data.planes import PlaneStore
from focusfix.data.samples import FloatArray
from focusfix.data.series_scale import FittedSeries
from focusfix.errors import InputError

_PLACES_TRIED = 3
_LOOK_EVERY_PX = 4


@dataclass(frozen=True)
class Crop:
    """Where a crop lies and how it is turned.

    Parameters
    ----------
    rows, columns : slice
        Pixels.
    sample : int
        Colour sample.
    quarter_turns : int
        Turned by so many, before it is mirrored.
    mirrored : bool
        Left and right exchanged.
    """

    rows: slice
    columns: slice
    sample: int = 0
    quarter_turns: int = 0
    mirrored: bool = False

    def turn(self, window: npt.NDArray[np.float32]) -> FloatArray:
        """Turn what was cut at the place of the crop."""
        turned = np.rot90(window, self.quarter_turns)
        return np.ascontiguousarray(turned[:, ::-1] if self.mirrored else turned)


class CropCutter:
    """Cuts square crops of one size.

    Parameters
    ----------
    series : sequence of FittedSeries
        Fields to cut from.
    planes : PlaneStore
        Reads them.
    crop_px : int
        Side of the crops; pixels, at most the shorter side of every plane.

    Raises
    ------
    InputError
        If a plane is smaller than a crop.
    """

    def __init__(self, series: Sequence[FittedSeries], planes: PlaneStore, crop_px: int) -> None:
        for each in series:
            height, width = each.series.shape_yx
            if min(height, width) < crop_px:
                raise InputError(
                    f"{each.series.planes[0].path} is {height} x {width} pixels, smaller than a "
                    f"crop of {crop_px} x {crop_px}.",
                    "Give a smaller --crop-size.",
                )
        self.planes = planes
        self.crop_px = crop_px

    def read(self, fitted: FittedSeries, z_level: int, crop: Crop) -> FloatArray:
        """Cut a crop from one level, on the scale of its field."""
        source = fitted.series.plane_at(z_level)
        window = self.planes.read(source, crop.rows, crop.columns)[..., crop.sample]
        return crop.turn(fitted.scale.apply(window))

    def place(self, fitted: FittedSeries, rng: np.random.Generator) -> tuple[Crop, FloatArray]:
        """Choose the liveliest of three places in the plane in focus, and how to turn it.

        Empty background teaches little.

        Parameters
        ----------
        fitted : FittedSeries
            The field.
        rng : numpy.random.Generator
            Decides.

        Returns
        -------
        crop : Crop
            The place.
        in_focus : ndarray, shape (crop_px, crop_px), float32
            What is there at the focal level.
        """
        sample = int(rng.integers(fitted.series.samples))
        height, width = fitted.series.shape_yx
        source = fitted.series.plane_at(fitted.focal_level)
        seen = []
        for _ in range(_PLACES_TRIED):
            y = int(rng.integers(height - self.crop_px + 1))
            x = int(rng.integers(width - self.crop_px + 1))
            window = slice(y, y + self.crop_px), slice(x, x + self.crop_px)
            pixels = self.planes.read(source, *window)[..., sample]
            thinned = pixels[::_LOOK_EVERY_PX, ::_LOOK_EVERY_PX].astype(np.float32)
            seen.append((float(thinned.std()), window, pixels))
        _, window, pixels = max(seen, key=lambda each: each[0])
        crop = Crop(*window, sample, int(rng.integers(4)), bool(rng.random() < 0.5))
        return crop, crop.turn(fitted.scale.apply(pixels))

    def five_places(self, fitted: FittedSeries, sample: int) -> list[Crop]:
        """List the four corners and the centre of a field, not turned; the centre is last."""
        height, width = (size - self.crop_px for size in fitted.series.shape_yx)
        starts = [(0, 0), (0, width), (height, 0), (height, width), (height // 2, width // 2)]
        return [
            Crop(slice(y, y + self.crop_px), slice(x, x + self.crop_px), sample) for y, x in starts
        ]
