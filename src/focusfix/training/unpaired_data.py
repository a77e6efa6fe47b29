"""Training data from images out of focus and images in focus that are no pairs."""

from collections.abc import Callable, Collection
from typing import Any, NoReturn

from focusfix.config import Modality
from focusfix.data.focus_series import SPLITS
from focusfix.data.layouts import UnpairedFolders, natural_order
from focusfix.data.level_choice import TripletPattern
from focusfix.data.planes import PlaneStore
from focusfix.data.series_scale import FittedSeries, fit_series
from focusfix.data.unpaired_sampler import UnpairedSampler
from focusfix.errors import InputError, UsageError
from focusfix.training.settings import RunSettings

_TRAIN_STREAM = 1
_NOTE = (
    "the images out of focus and in focus are no pairs: all are for training, and nothing measures "
    "how true the results are; look at the previews"
)

_OF_TRUTH = (
    "focal_level", "in_focus_share", "split", "split_by", "test_share", "validation_share",
)  # fmt: skip


def check_without_truth(settings: RunSettings, wanted: Collection[str]) -> None:
    """Refuse settings that would be left out silently.

    Parameters
    ----------
    settings : RunSettings
        Of the run.
    wanted : collection of str
        Names of the settings that the user gave.

    Raises
    ------
    UsageError
        If images without truth have no use for one of them.
    """
    given = [name for name in _OF_TRUTH if name in wanted]
    given += ["z_spacing_um"] if settings.data.z_spacing_um is not None else []
    if given:
        raise UsageError(
            f"--{given[0].replace('_', '-')} has no meaning for images that are no pairs: all are "
            "for training, and of one level each.",
            "Leave it out, or train on focal series or pairs.",
        )


class UnpairedData:
    """Images out of focus and others in focus; all are for training, since none has a truth.

    Parameters
    ----------
    folders : UnpairedFolders
        The images.
    settings : RunSettings
        Crops and seed.
    cache_bytes : int
        Most memory for planes.
    on_progress : callable
        Gets the share of the images that were looked at.

    Raises
    ------
    InputError
        If an image cannot be read or is too small for a crop.
    """

    validation = None
    has_truth = False

    def __init__(
        self,
        folders: UnpairedFolders,
        settings: RunSettings,
        *,
        cache_bytes: int,
        on_progress: Callable[[float], None] = lambda _: None,
    ) -> None:
        self.settings = settings
        n_blurry = len(folders.out_of_focus)
        self._fitted = fit_series(
            (*folders.out_of_focus, *folders.in_focus), on_progress=on_progress
        )
        self.out_of_focus, self.in_focus = self._fitted[:n_blurry], self._fitted[n_blurry:]
        self._planes = PlaneStore(cache_bytes)
        self.train = UnpairedSampler(
            self.out_of_focus,
            self.in_focus,
            self._planes,
            crop_px=settings.crop_size,
            seed=(settings.seed, _TRAIN_STREAM),
        )

    @property
    def split_table(self) -> list[dict[str, str]]:
        """One row for each plane."""
        return [
            {
                "field": each.series.field,
                "channel": each.series.channel,
                "frame": str(each.series.frame),
                "split": "train",
            }
            for each in self._fitted
        ]

    @property
    def crops_per_epoch(self) -> int:
        """Crops that cover every image out of focus about once."""
        side = self.settings.crop_size
        sizes = [(each.series.shape_yx, each.series.samples) for each in self.out_of_focus]
        return sum((height // side) * (width // side) * n for (height, width), n in sizes)

    @property
    def modality(self) -> Modality:
        """Kind of image: what the user says, or what all images look like."""
        if self.settings.modality != "auto":
            return self.settings.modality
        found = {each.modality for each in self._fitted}
        return found.pop() if len(found) == 1 else "any"

    @property
    def card(self) -> dict[str, Any]:
        """Fields of the checkpoint header."""
        sizes = [each.series.pixel_size_um for each in self._fitted if each.series.pixel_size_um]
        return {
            "pixel_size_um": (min(sizes), max(sizes)) if sizes else None,
            "trained_on": f"{_count_fields(self.out_of_focus)} fields out of focus and "
            f"{_count_fields(self.in_focus)} others in focus",
        }

    def count_triplets(self, pattern: TripletPattern) -> dict[str, int]:
        """Refuse: images of one level make no triplets."""
        self._refuse(f"triplets ({pattern}) of z-levels")

    def count_groups(self, size: int) -> dict[str, int]:
        """Refuse: images of one level make no groups."""
        self._refuse(f"{size} z-levels of one field")

    def count_refocus_pairs(self) -> dict[str, int]:
        """Refuse: heights are not known."""
        self._refuse("z-levels at known heights")

    def _refuse(self, wanted: str) -> NoReturn:
        raise InputError(
            f"{self.settings.model} learns from {wanted}, and these images are no pairs.",
            "Give z-stacks or pairs, or --model comi.",
        )

    def close(self) -> None:
        """Release all files."""
        self._planes.close()

    def describe(self) -> dict[str, Any]:
        """Summarise how the data were understood."""
        series = [each.series for each in self._fitted]
        n_fields = _count_fields(self._fitted)
        return {
            "layout": "unpaired folders",
            "fields": n_fields,
            "fields_out_of_focus": _count_fields(self.out_of_focus),
            "fields_in_focus": _count_fields(self.in_focus),
            "channels": sorted({each.channel for each in series}, key=natural_order),
            "planes": len(series),
            "shapes": sorted({f"{e.shape_yx[0]} x {e.shape_yx[1]}" for e in series}),
            "pixel_size_um": sorted({e.pixel_size_um for e in series if e.pixel_size_um}),
            "modality": self.modality,
            "split": {**dict.fromkeys(SPLITS, 0), "train": n_fields},
            "crops_per_epoch": self.crops_per_epoch,
            "notes": [_NOTE],
        }


def _count_fields(fitted: tuple[FittedSeries, ...]) -> int:
    return len({each.series.field for each in fitted})
