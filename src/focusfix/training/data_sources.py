"""What a run learns from, whatever it is made of: samples by number."""

from collections import Counter
from collections.abc import Mapping
from typing import Any, Protocol

from focusfix.config import Modality
from focusfix.data.focus_series import SPLITS
from focusfix.data.level_choice import TripletPattern
from focusfix.data.samples import CropGroup, CropTriplet, FactorPairs
from focusfix.optics import FloatArray


class Pair(Protocol):
    """An out-of-focus crop and its truth; shape (Y, X), float32, one intensity scale."""

    @property
    def out_of_focus(self) -> FloatArray:
        """Input of the network."""

    @property
    def in_focus(self) -> FloatArray:
        """What the network should return."""


class PairSource(Protocol):
    """Draws pairs by number: the same number gives the same pair."""

    def pair(self, index: int) -> Pair:
        """Draw one pair."""


class SampleSource(PairSource, Protocol):
    """Draws samples of all kinds by number: the same number gives the same sample.

    Crops of one sample are cut, mirrored and turned alike unless it says otherwise.
    """

    def triplet(self, index: int, *, pattern: TripletPattern) -> CropTriplet:
        """Draw three levels of one crop."""

    def group(self, index: int, *, size: int) -> CropGroup:
        """Draw several levels of one crop."""

    def factor_pairs(self, index: int) -> FactorPairs:
        """Draw two identities at two levels."""


class TrainingData(Protocol):
    """All that a run learns from and is validated on."""

    @property
    def train(self) -> SampleSource:
        """Samples to learn from."""

    @property
    def validation(self) -> SampleSource | None:
        """Samples from fields that are kept from training; None if there are none."""

    @property
    def has_truth(self) -> bool:
        """Whether the in-focus crop of a sample shows the same place as its input."""

    @property
    def split_table(self) -> list[dict[str, str]]:
        """One row for each series: what it is and which split it belongs to."""

    @property
    def crops_per_epoch(self) -> int:
        """Crops that cover all training images about once."""

    @property
    def modality(self) -> Modality:
        """Kind of image."""

    @property
    def card(self) -> dict[str, Any]:
        """What the model card will say of the data: fields of the checkpoint header."""

    def count_triplets(self, pattern: TripletPattern) -> dict[str, int]:
        """Count the triplets of levels in each split, whatever their place.

        Raises
        ------
        InputError
            If there are none to learn from.
        """

    def count_groups(self, size: int) -> dict[str, int]:
        """Count the series in each split that have at least so many levels.

        Raises
        ------
        InputError
            If there are none to learn from.
        """

    def count_refocus_pairs(self) -> dict[str, int]:
        """Count the ways from one plane to another in each split.

        Raises
        ------
        InputError
            If the heights of the planes to learn from are not known.
        """

    def close(self) -> None:
        """Release all files."""

    def describe(self) -> dict[str, Any]:
        """Summarise how the data were understood, for people and as JSON."""


def count_splits(split_of_field: Mapping[str, str]) -> dict[str, int]:
    """Count the fields in each split."""
    counts = Counter(split_of_field.values())
    return {split: counts[split] for split in SPLITS}
