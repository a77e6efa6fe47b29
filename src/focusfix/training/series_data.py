"""Training data from focal series on disk."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from focusfix.config import Modality
from focusfix.data.focus_series import SPLITS
from focusfix.data.layouts import SeriesIndex, natural_order
from focusfix.data.level_choice import TripletPattern, keep_with_heights, list_triplets
from focusfix.data.planes import PlaneStore
from focusfix.data.sampling import split_series
from focusfix.data.series_sampler import SeriesSampler
from focusfix.data.series_scale import FittedSeries, fit_series
from focusfix.errors import InputError
from focusfix.training.data_sources import count_splits
from focusfix.training.settings import RunSettings

_TRAIN_STREAM, _VALIDATION_STREAM = 1, 2
_PURPOSES = {"train": "training", "validation": "validation"}


class SeriesData:
    """Focal series on disk.

    Parameters
    ----------
    index : SeriesIndex
        The series.
    settings : RunSettings
        Split, crops and seed.
    cache_bytes : int
        Most memory for planes.
    on_progress : callable
        Gets the share of the series that were looked at.

    Raises
    ------
    InputError
        If the series cannot be read or are too small for a crop.
    """

    has_truth = True

    def __init__(
        self,
        index: SeriesIndex,
        settings: RunSettings,
        *,
        cache_bytes: int,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.index = index
        self.settings = settings
        self.split_of_field = split_series(
            index.series,
            by=settings.split_by,
            validation_share=settings.validation_share,
            test_share=settings.test_share,
            seed=settings.seed,
            order=settings.split,
        )
        self.fitted = fit_series(index.series, on_progress=on_progress)
        self._planes = PlaneStore(cache_bytes)
        self.train = self._sampler("train", settings.in_focus_share, _TRAIN_STREAM)
        held_out = self._in_split("validation")
        self.validation = self._sampler("validation", 0.0, _VALIDATION_STREAM) if held_out else None

    def _in_split(self, split: str) -> list[FittedSeries]:
        return [each for each in self.fitted if self.split_of_field[each.series.field] == split]

    def _sampler(self, split: str, in_focus_share: float, stream: int) -> SeriesSampler:
        return SeriesSampler(
            self._in_split(split),
            self._planes,
            crop_px=self.settings.crop_size,
            in_focus_share=in_focus_share,
            seed=(self.settings.seed, stream),
        )

    @property
    def split_table(self) -> list[dict[str, str]]:
        """One row for each series."""
        return [
            {
                "field": each.series.field,
                "channel": each.series.channel,
                "frame": str(each.series.frame),
                "well": each.series.well or "",
                "focal_level": str(each.focal_level),
                "split": self.split_of_field[each.series.field],
            }
            for each in self.fitted
        ]

    @property
    def crops_per_epoch(self) -> int:
        """Crops that cover every out-of-focus training plane about once."""
        side = self.settings.crop_size
        return sum(
            (len(each.series.z_levels) - 1)
            * each.series.samples
            * (each.series.shape_yx[0] // side)
            * (each.series.shape_yx[1] // side)
            for each in self._in_split("train")
        )

    @property
    def modality(self) -> Modality:
        """Kind of image: what the user says, or what all fields look like."""
        if self.settings.modality != "auto":
            return self.settings.modality
        found = {each.modality for each in self.fitted}
        return found.pop() if len(found) == 1 else "any"

    @property
    def card(self) -> dict[str, Any]:
        """Fields of the checkpoint header."""
        sizes = [s.pixel_size_um for s in self.index.series if s.pixel_size_um]
        n_fields = sum(split == "train" for split in self.split_of_field.values())
        return {
            "pixel_size_um": (min(sizes), max(sizes)) if sizes else None,
            "trained_on": f"{n_fields} fields, {self.index.layout}",
        }

    def count_triplets(self, pattern: TripletPattern) -> dict[str, int]:
        """Count the triplets of levels in each split."""
        counts, lacking = self._count(
            lambda each: len(list_triplets(each, pattern)) * each.series.samples
        )
        if lacking:
            raise InputError(
                f"No field for {_PURPOSES[lacking]} has three z-levels on one side of its focal "
                f"level (at most {self._most_levels(lacking)} levels in all; "
                f"{self.index.layout}): there are no triplets to learn from.",
                "Give z-stacks with more planes, sharp images with --simulate, or another --model.",
            )
        return counts

    def count_groups(self, size: int) -> dict[str, int]:
        """Count the fields (and channels and times) of enough levels in each split."""
        counts, lacking = self._count(lambda each: int(len(each.series.z_levels) >= size))
        if lacking:
            raise InputError(
                f"No field for {_PURPOSES[lacking]} has {size} z-levels; the most are "
                f"{self._most_levels(lacking)}.",
                "Give z-stacks with more planes, or groups of fewer levels.",
            )
        return counts

    def count_refocus_pairs(self) -> dict[str, int]:
        """Count the ways from one plane to another in each split, where heights are known."""
        counts, lacking = self._count(
            lambda each: (
                len(each.series.z_levels) * (len(each.series.z_levels) - 1)
                if each.series.z_um is not None
                else 0
            )
        )
        if lacking:
            keep_with_heights(self._in_split(lacking))
        return counts

    def _count(self, count: Callable[[FittedSeries], int]) -> tuple[dict[str, int], str]:
        """Add up a number of each series by split, and name a split that is used but lacks any."""
        counts = {split: sum(map(count, self._in_split(split))) for split in SPLITS}
        used = [split for split in SPLITS[:2] if self._in_split(split)]
        return counts, next((split for split in used if not counts[split]), "")

    def _most_levels(self, split: str) -> int:
        return max(len(each.series.z_levels) for each in self._in_split(split))

    def close(self) -> None:
        """Release all files."""
        self._planes.close()

    def describe(self) -> dict[str, Any]:
        """Summarise how the data were understood."""
        series = self.index.series
        levels = sorted({level for each in series for level in each.z_levels})
        focal = Counter(each.focal_level for each in self.fitted)
        n_pairs = Counter[str]()
        for each in self.fitted:
            split = self.split_of_field[each.series.field]
            n_pairs[split] += len(each.series.z_levels) - 1
        return {
            "layout": self.index.layout,
            "fields": len(self.split_of_field),
            "wells": len({each.well for each in series if each.well}),
            "channels": sorted({each.channel for each in series}, key=natural_order),
            "series": len(series),
            "planes": sum(len(each.planes) for each in series),
            "z_levels": levels,
            "focal_levels": {str(level): focal[level] for level in sorted(focal)},
            "shapes": sorted({f"{e.shape_yx[0]} x {e.shape_yx[1]}" for e in series}),
            "pixel_size_um": sorted({e.pixel_size_um for e in series if e.pixel_size_um}),
            "modality": self.modality,
            "split": count_splits(self.split_of_field),
            "pairs": {split: n_pairs[split] for split in SPLITS},
            "crops_per_epoch": self.crops_per_epoch,
            "notes": list(self.index.notes),
        }
