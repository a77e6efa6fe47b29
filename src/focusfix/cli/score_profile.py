"""Widths of a bead or a line (``--profile``), in the image, its input and its reference."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.files import Record
from focusfix.cli.score_tables import plane_label, width_table
from focusfix.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.io.image import ImageReader
    from focusfix.metrics.profile import Line
    from focusfix.metrics.widths import Widths
    from focusfix.report.profiles import ProfilePanel


@dataclass(frozen=True)
class Place:
    """Where widths are measured.

    Parameters
    ----------
    text : str
        As the user wrote it.
    points : tuple of (float, float)
        Rows and columns: one for a bead, the two ends of a line.
    """

    text: str
    points: tuple[tuple[float, float], ...]

    @property
    def directions(self) -> tuple[str, ...]:
        """Name the lines that are measured."""
        from focusfix.metrics.widths import ALONG

        return ("y", "x") if len(self.points) == 1 else (ALONG,)


@dataclass
class ImageProfiles:
    """The profiles of one image, plane by plane; keeps the curves of the clearest plane.

    Parameters
    ----------
    place : Place, optional
        Where to measure; None to measure nothing.
    pixel_size_um : tuple of float, optional
        Height and width of a pixel.
    name : str
        Of the image, for table and plot.
    rows : list of (str, dict)
        Names of the planes with their widths.
    panels : list of ProfilePanel
        Curves of the plane whose peak is the highest, one panel for each direction.
    reason : str
        Why the last plane had no width.
    """

    place: Place | None
    pixel_size_um: tuple[float, float] | None
    name: str
    rows: list[tuple[str, Record]] = field(default_factory=list)
    panels: "list[ProfilePanel]" = field(default_factory=list)
    reason: str = ""
    _highest: float = 0.0

    def measure(
        self, planes: "Mapping[str, np.ndarray]", coordinates: Mapping[str, int]
    ) -> Record | None:
        """Measure one plane.

        Parameters
        ----------
        planes : mapping of str to ndarray, shape (Y, X)
            Intensities by role. The last one says where the peak is, and whether it is brighter
            or darker than its surroundings.
        coordinates : mapping of str to int
            Where the plane is in its image.

        Returns
        -------
        dict, optional
            Widths by direction and role, in pixels and micrometres; NaN where there is no peak,
            or the pixel size is not known.
        """
        if self.place is None:
            return None
        from focusfix.metrics.peak import NoPeakError
        from focusfix.metrics.widths import Widths, measure_widths

        label = f"{self.name} {plane_label(coordinates)}".strip()
        try:
            widths = measure_widths(planes, self.place.points)
        except NoPeakError as error:
            self.reason = str(error)
            widths = Widths({}, {name: dict.fromkeys(planes) for name in self.place.directions})
        else:
            self._keep_highest(planes, widths, label)
        self.rows.append((label, self._record(widths)))
        return self.rows[-1][1]

    def _record(self, widths: "Widths") -> Record:
        in_px = {
            name: {role: peak.fwhm_px if peak else math.nan for role, peak in found.items()}
            for name, found in widths.peaks.items()
        }
        in_um = {
            name: {
                role: width * self._um_per_px(widths.lines.get(name))
                for role, width in found.items()
            }
            for name, found in in_px.items()
        }
        return {"fwhm_px": in_px, "fwhm_um": in_um}

    def _keep_highest(
        self, planes: "Mapping[str, np.ndarray]", widths: "Widths", label: str
    ) -> None:
        from focusfix.metrics.profile import sample_line
        from focusfix.report.profiles import ProfileCurve, ProfilePanel

        main = list(planes)[-1]
        height = max(peak.height for found in widths.peaks.values() if (peak := found[main]))
        if height <= self._highest:
            return
        self._highest, self.panels = height, []
        for name, line in widths.lines.items():
            scale = self._um_per_px(line)
            unit, factor = ("px", 1.0) if math.isnan(scale) else ("\N{MICRO SIGN}m", scale)
            curves = {}
            for role, plane in planes.items():
                positions, values = sample_line(plane, line)
                peak = widths.peaks[name][role]
                width = peak.fwhm_px * factor if peak else math.nan
                curves[role] = ProfileCurve(positions * factor, values, width)
            self.panels.append(ProfilePanel(label, name, unit, curves))

    def _um_per_px(self, line: "Line | None") -> float:
        """Return the length of a pixel along a line; NaN if it is not known."""
        if line is None or self.pixel_size_um is None:
            return math.nan
        y_um, x_um = self.pixel_size_um
        return math.hypot((line.y1 - line.y0) * y_um, (line.x1 - line.x0) * x_um) / line.length_px


def parse_place(text: str) -> Place:
    """Read the value of ``--profile``.

    Raises
    ------
    UsageError
        If it is neither a point nor a line.
    """
    try:
        points = tuple(
            (float(y), float(x)) for y, x in (part.split(",") for part in text.split(":"))
        )
    except ValueError:
        points = ()
    finite = all(math.isfinite(each) for point in points for each in point)
    if not 1 <= len(points) <= 2 or not finite or points[:1] == points[1:]:
        raise UsageError(
            f"--profile takes a point or a line, not {text!r}.",
            "Write Y,X for a bead, or Y0,X0:Y1,X1 for a line; pixels, counted from 0.",
        )
    return Place(text, points)


@dataclass
class ProfileRun:
    """The profiles of all images of one run.

    Parameters
    ----------
    place : Place, optional
        Where to measure; None to measure nothing.
    pixel_size_um : float, optional
        Instead of that of the files.
    rows : list of (str, dict)
        Names of the planes with their widths.
    panels : list of ProfilePanel
        Of all images.
    """

    place: Place | None
    pixel_size_um: float | None
    rows: list[tuple[str, Record]] = field(default_factory=list)
    panels: "list[ProfilePanel]" = field(default_factory=list)

    @property
    def at(self) -> str | None:
        """The place as the user wrote it."""
        return self.place.text if self.place else None

    def start(self, image: "ImageReader") -> ImageProfiles:
        """Begin with an image.

        Raises
        ------
        InputError
            If the place lies outside of it.
        """
        metadata = image.metadata
        if self.place is not None:
            _check_inside(self.place, metadata.shape_yx, image.path)
        size = self.pixel_size_um
        return ImageProfiles(
            self.place, (size, size) if size else metadata.pixel_size_um, image.path.name
        )

    def take(self, profiles: ImageProfiles, path: Path) -> None:
        """Keep the profiles of one image, of which ``path`` says where the peak is.

        Raises
        ------
        InputError
            If it has no peak in any plane.
        """
        if self.place is None:
            return
        if not profiles.panels:
            raise InputError(
                f"{path}: no width can be told at --profile {self.at}: {profiles.reason}.",
                "Name a point within 5 pixels of a bead, as Y,X; or the ends of a line across one "
                "structure, with background on both sides, as Y0,X0:Y1,X1.",
            )
        self.rows += profiles.rows
        self.panels += profiles.panels

    def table(self) -> str | None:
        """Lay the widths out; None if none were measured."""
        return width_table(self.place.text, self.rows) if self.place and self.rows else None

    def save(self, path: Path | None) -> None:
        """Write the plot, if one is wanted and there is something to draw."""
        if path is not None and self.panels:
            from focusfix.report.profiles import save_profiles

            save_profiles(self.panels, path)


def _check_inside(place: Place, shape_yx: tuple[int, int], path: Path) -> None:
    rows, columns = shape_yx
    if not all(0 <= y <= rows - 1 and 0 <= x <= columns - 1 for y, x in place.points):
        raise InputError(
            f"{path} is {rows} x {columns} pixels (Y, X): --profile {place.text} lies outside.",
            "Give rows first, then columns; the first pixel is 0,0.",
        )
