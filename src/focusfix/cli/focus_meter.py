"""How far planes are from focus, told from their blur by optics or by a network alone."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from focusfix.cli.files import Record

if TYPE_CHECKING:
    import numpy as np

    from focusfix.engine.normalize import IntensityScale
    from focusfix.metrics.defocus import BlurReader
    from focusfix.operations.distance_reading import CodeDistanceReader

UNKNOWN: Record = {
    "dz_abs_um": math.nan,
    "dz_abs_error_um": math.nan,
    "dz_um": math.nan,
    "dz_confidence": math.nan,
}
"""Of planes whose distance is not measured."""


class Reading(NamedTuple):
    """Distance of one plane.

    Parameters
    ----------
    record : dict
        ``dz_abs_um``, ``dz_abs_error_um``, ``dz_um`` (NaN where the side is not known) and
        ``dz_confidence`` (NaN where there is none).
    maps : ndarray of float32, shape (2, y, x)
        Distance and expected error of each neighbourhood; micrometres.
    """

    record: Record
    maps: "np.ndarray"


class Meter(Protocol):
    """Something that tells how far a plane is from focus."""

    @property
    def cell_px(self) -> int:
        """Side of a neighbourhood; pixels."""
        ...

    @property
    def titles(self) -> tuple[str, ...]:
        """What :func:`distance_cells` gives."""
        ...

    def cells(self, size_px: int) -> int:
        """Count the neighbourhoods along an axis."""
        ...

    def read(self, scaled: "np.ndarray") -> Reading:
        """Read one plane, shape (Y, X), of intensities on the nominal scale."""
        ...


@dataclass(frozen=True)
class OpticalMeter:
    """Distance from a blur radius, through the geometry of the objective.

    Parameters
    ----------
    reader : BlurReader
        Reads blur radii.
    um_per_px : float
        Distance for a blur radius of one pixel.
    """

    reader: "BlurReader"
    um_per_px: float

    @property
    def cell_px(self) -> int:
        """Side of a neighbourhood; pixels."""
        return self.reader.cell_px

    @property
    def titles(self) -> tuple[str, ...]:
        """What :func:`distance_cells` gives."""
        return ("|dz| (um)", "+-")

    def cells(self, size_px: int) -> int:
        """Count the neighbourhoods along an axis; those at the edge may be parts."""
        return math.ceil(size_px / self.cell_px)

    def read(self, scaled: "np.ndarray") -> Reading:
        """Read one plane; its distance is the median over neighbourhoods."""
        import numpy as np

        from focusfix.metrics.defocus import map_distance, typical_distance

        maps = map_distance(self.reader, scaled, self.um_per_px)
        distance = typical_distance(*maps)
        found = {"dz_abs_um": distance.dz_abs_um, "dz_abs_error_um": distance.error_um}
        return Reading({**UNKNOWN, **found}, np.stack(maps))


@dataclass(frozen=True)
class CodeMeter:
    """Distance from a blur code whose training knew micrometres.

    Parameters
    ----------
    reader : CodeDistanceReader
        Reads distances.
    """

    reader: "CodeDistanceReader"

    @property
    def cell_px(self) -> int:
        """Side of a neighbourhood; pixels."""
        return self.reader.cell_px

    @property
    def titles(self) -> tuple[str, ...]:
        """What :func:`distance_cells` gives."""
        return ("dz (um)" if self.reader.signed else "|dz| (um)", "+-", "confidence")

    def cells(self, size_px: int) -> int:
        """Count the neighbourhoods along an axis; all are whole."""
        return max(size_px // self.cell_px, 1)

    def read(self, scaled: "np.ndarray") -> Reading:
        """Read one plane; its code is the mean over neighbourhoods."""
        import numpy as np

        found = self.reader.read(scaled)
        record = {
            "dz_abs_um": abs(found.value_um),
            "dz_abs_error_um": found.error_um,
            "dz_um": found.value_um if self.reader.signed else math.nan,
            "dz_confidence": found.confidence,
        }
        return Reading(record, np.stack([found.value_map_um, found.error_map_um]))


@dataclass(frozen=True)
class ImageMeter:
    """Distances from focus of the planes of one image.

    Parameters
    ----------
    meter : Meter
        Tells distances.
    scales : sequence of IntensityScale
        One for each plane.
    """

    meter: Meter
    scales: "Sequence[IntensityScale]"

    @property
    def cell_px(self) -> int:
        """Side of a neighbourhood; pixels."""
        return self.meter.cell_px

    @property
    def titles(self) -> tuple[str, ...]:
        """Columns of distances in tables."""
        return self.meter.titles

    def measure(self, grey: "np.ndarray", plane: int) -> Reading:
        """Measure one plane.

        Parameters
        ----------
        grey : ndarray, shape (Y, X)
            Stored intensities.
        plane : int
            Its position.

        Returns
        -------
        Reading
            NaN for planes of one grey value or less than 3 x 3 pixels.

        Raises
        ------
        InputError
            If the plane is too small for the weights.
        """
        import numpy as np

        from focusfix.metrics.noise import LEAST_SIZE_PX

        if grey.min() == grey.max() or min(grey.shape) < LEAST_SIZE_PX:
            cells = [self.meter.cells(size) for size in grey.shape]
            return Reading(dict(UNKNOWN), np.full((2, *cells), np.nan, np.float32))
        return self.meter.read(self.scales[plane].apply(grey))


def distance_cells(found: Mapping[str, Any]) -> list[str]:
    """Lay a distance out for a table.

    Parameters
    ----------
    found : mapping
        Holds what :attr:`Reading.record` does.

    Returns
    -------
    list of str
        Distance, with its sign where that is known; expected error; confidence. A dash for NaN.
    """
    signed = not math.isnan(found["dz_um"])
    cells = (
        (found["dz_um"], "+.2f") if signed else (found["dz_abs_um"], ".2f"),
        (found["dz_abs_error_um"], ".2f"),
        (found["dz_confidence"], ".2f"),
    )
    return ["-" if math.isnan(value) else f"{value:{form}}" for value, form in cells]
