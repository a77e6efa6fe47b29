"""Draw images out of focus and in focus that have nothing to do with each other."""

from collections.abc import Sequence

import numpy as np

from focusfix.data.planes import PlaneStore
from focusfix.data.samples import CropPair, FloatArray
from focusfix.data.series_sampler import SeriesSampler
from focusfix.data.series_scale import FittedSeries

_UNPAIRED = 5


class UnpairedSampler(SeriesSampler):
    """Draw crops from images out of focus and, apart from them, from images in focus.

    Parameters
    ----------
    out_of_focus, in_focus : sequence of FittedSeries
        Series of one level; at least one of each.
    planes : PlaneStore
        Reads them.
    crop_px : int
        Side of the square crops; pixels, at most the shorter side of every image.
    seed : sequence of int
        Numbers that, with that of the sample, decide everything that is drawn.

    Raises
    ------
    InputError
        If an image is smaller than a crop.
    """

    def __init__(
        self,
        out_of_focus: Sequence[FittedSeries],
        in_focus: Sequence[FittedSeries],
        planes: PlaneStore,
        *,
        crop_px: int,
        seed: Sequence[int],
    ) -> None:
        both = [*out_of_focus, *in_focus]
        super().__init__(both, planes, crop_px=crop_px, in_focus_share=0.0, seed=seed)
        self.out_of_focus, self.in_focus = tuple(out_of_focus), tuple(in_focus)

    def pair(self, index: int) -> CropPair:
        """Draw two images that are no pair.

        Parameters
        ----------
        index : int
            Any number >= 0.

        Returns
        -------
        CropPair
            Each crop on the scale of its own image, at its own place, turned in its own way.
        """
        rng = np.random.default_rng([*self.seed, _UNPAIRED, index])
        return CropPair(self._draw(self.out_of_focus, rng), self._draw(self.in_focus, rng))

    def _draw(self, series: tuple[FittedSeries, ...], rng: np.random.Generator) -> FloatArray:
        return self.cutter.place(series[rng.integers(len(series))], rng)[1]
