"""Scores of images without a reference: sharpness, resolution, noise, clipped pixels."""

import math
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from focusfix.cli.console import Console
from focusfix.cli.files import Record
from focusfix.cli.focus_meter import UNKNOWN, distance_cells
from focusfix.cli.image_pairs import Inspection, match_planes, read_intensities
from focusfix.cli.scales import pixel_range, square_pixel_um
from focusfix.cli.score_focus import FocusRun
from focusfix.cli.score_options import ScoreFormat, ScoreOptions
from focusfix.cli.score_profile import ProfileRun
from focusfix.cli.score_tables import (
    csv_lines,
    json_value,
    plane_label,
    width_cells,
    width_columns,
)

if TYPE_CHECKING:
    import numpy as np

    from focusfix.io.image import ImageMetadata

_TITLES = ("sharpness", "resolution (um)", "(px)", "noise", "at 0", "at top")
_COLUMNS = (
    "sharpness", "resolution_px", "resolution_um", "resolution_at_limit", "noise", "clipped_low",
    "clipped_high", "dz_abs_um", "dz_abs_error_um",
    "dz_um", "dz_confidence", "sharpest",
)  # fmt: skip
_CELL = 11
_LEAST_LABEL = 16


@dataclass
class Inspecting:
    """What is the same for every image of one run, and the scores so far.

    Parameters
    ----------
    options : ScoreOptions
        As the user gave them.
    console : Console
        Where the run reports.
    jobs : sequence of Inspection
        All images.
    profiles : ProfileRun
        Where widths are measured, if they are.
    focus : FocusRun
        How distances from focus are measured, if they are.
    records : list of dict
        One for each image that was scored.
    """

    options: ScoreOptions
    console: Console
    jobs: Sequence[Inspection]
    profiles: ProfileRun
    focus: FocusRun
    records: list[Record] = field(default_factory=list)

    def process(self, job: Inspection) -> Record:
        """Score one image.

        Returns
        -------
        dict
            The scores of each plane, and which planes are the sharpest of their stacks.
        """
        from focusfix.io.image import open_image
        from focusfix.io.naming import display_name

        axes = self.options.axes
        with ExitStack() as files:
            paths = [job.source, *([job.repeat] if job.repeat else [])]
            readers = [files.enter_context(open_image(path, axes=axes)) for path in paths]
            metadata = readers[0].metadata
            positions = [match_planes(readers[0], each) for each in readers]
            profiles = self.profiles.start(readers[0])
            focus = self.focus.start(readers[0], self._pixel_size_um(metadata))
            planes = []
            with self.console.progress(display_name(job.source)) as advance:
                for number, plane in enumerate(metadata.planes):
                    pixels = [
                        read_intensities(reader, where[number])
                        for reader, where in zip(readers, positions, strict=True)
                    ]
                    scores = self._score_plane(pixels, metadata)
                    grey = pixels[0].mean(axis=-1)
                    scores |= focus.measure(grey, plane.position) if focus else UNKNOWN
                    scores["profile"] = profiles.measure({"image": grey}, plane.coordinates)
                    planes.append({"plane": dict(plane.coordinates), **scores})
                    advance((number + 1) / metadata.n_planes)
        self.profiles.take(profiles, job.source)
        self.focus.finish_image(job.source, focus, metadata)
        best = _mark_sharpest(planes)
        record = {
            "input": str(job.source),
            "repeat": str(job.repeat) if job.repeat else None,
            "pixel_size_um": self._pixel_size_um(metadata),
            "data_range": self._data_range(metadata),
            "profile_at": self.profiles.at,
            "sharpest_planes": best,
            "planes": planes,
        }
        self.records.append(record)
        return record if self.options.format != ScoreFormat.JSON else json_value(record)

    def show(self, record: Record) -> str:
        """Lay the scores of one image out as table or CSV."""
        first = len(self.records) == 1
        planes = record["planes"]
        if self.options.format == ScoreFormat.CSV:
            titles = ["input", "plane", *_COLUMNS, *width_columns(planes[0]["profile"])]
            rows: list[list[object]] = [list(titles)] if first else []
            for plane in planes:
                cells = (*(plane[name] for name in _COLUMNS), *width_cells(plane["profile"]))
                rows.append([record["input"], plane_label(plane["plane"]), *cells])
            return csv_lines(rows)
        width = max(_LEAST_LABEL, *(len(str(job.source)) for job in self.jobs))
        names = (*_TITLES, *self.focus.titles)
        lines = [_row("", width, names, names).rstrip()] if first else []
        labels = [f"  {plane_label(plane['plane'])}" for plane in planes]
        if len(planes) == 1:
            labels = [record["input"]]
        else:
            lines.append(record["input"])
        for label, plane in zip(labels, planes, strict=True):
            end = "  sharpest" if plane["sharpest"] else ""
            lines.append((_row(label, width, names, _cells(plane)) + end).rstrip())
        return "\n".join(lines)

    def finish(self) -> dict[str, float]:
        """Print the widths of all images; average what ``--fail-under`` may check, over planes."""
        if self.options.format == ScoreFormat.TABLE and (widths := self.profiles.table()):
            self.console.result(f"\n{widths}")
        values = [
            plane["sharpness"]
            for record in self.records
            for plane in record["planes"]
            if not math.isnan(plane["sharpness"])
        ]
        return {"sharpness": sum(values) / len(values) if values else math.nan}

    def _score_plane(self, pixels: "Sequence[np.ndarray]", metadata: "ImageMetadata") -> Record:
        from focusfix.metrics.noise import clipped_shares

        grey = [each.mean(axis=-1) for each in pixels]
        scores = _score_grey(grey)
        size_um = self._pixel_size_um(metadata)
        data_range = self._data_range(metadata)
        low, high = (
            clipped_shares(pixels[0], data_range=data_range) if data_range else (math.nan,) * 2
        )
        return {
            **scores,
            "resolution_um": scores["resolution_px"] * size_um if size_um else math.nan,
            "clipped_low": low,
            "clipped_high": high,
        }

    def _pixel_size_um(self, metadata: "ImageMetadata") -> float | None:
        """Return the side of a pixel; None if it is not known or pixels are not square."""
        if self.options.pixel_size_um is not None:
            return self.options.pixel_size_um
        return square_pixel_um(metadata)

    def _data_range(self, metadata: "ImageMetadata") -> float | None:
        """Return the largest possible grey value; None for floating-point numbers."""
        if self.options.data_range is not None:
            return self.options.data_range
        return None if metadata.dtype.kind == "f" else pixel_range(metadata)[1]


def alone_limit_names() -> dict[str, str]:
    """List what ``--fail-under`` can check without a reference, and why not the rest.

    Returns
    -------
    dict of str to str
        Names of scores with a reason; the reason is empty for those that can be checked.
    """
    reason = "less of it is better"
    return {"sharpness": "", "resolution_um": reason, "resolution_px": reason, "noise": reason}


def _score_grey(grey: "Sequence[np.ndarray]") -> dict[str, Any]:
    """Take the measures that a plane is large enough for; the others are NaN."""
    from focusfix.metrics import focus, noise, resolution

    plane, side = grey[0], min(grey[0].shape)
    period, limit = math.nan, math.nan
    if side >= resolution.LEAST_SIZE_PX and len(grey) > 1:
        period, limit = resolution.pair_resolution(plane, grey[1]), resolution.PAIR_LIMIT_PX
    elif side >= resolution.LEAST_SIZE_PX:
        period, limit = resolution.single_resolution(plane), resolution.SINGLE_LIMIT_PX
    return {
        "sharpness": focus.measure_sharpness(plane) if side >= focus.LEAST_SIZE_PX else math.nan,
        "resolution_px": period,
        "resolution_at_limit": period <= limit,
        "noise": noise.estimate_noise(plane) if side >= noise.LEAST_SIZE_PX else math.nan,
    }


def _mark_sharpest(planes: Sequence[Record]) -> list[dict[str, int]]:
    """Mark the sharpest z level of each channel and time; return their coordinates."""
    stacks: dict[tuple[tuple[str, int], ...], list[Record]] = {}
    for plane in planes:
        others = tuple((axis, at) for axis, at in plane["plane"].items() if axis != "Z")
        plane["sharpest"] = False
        stacks.setdefault(others, []).append(plane)
    best = []
    for stack in stacks.values():
        defined = [plane for plane in stack if not math.isnan(plane["sharpness"])]
        if len(defined) > 1:
            sharpest = max(defined, key=lambda plane: float(plane["sharpness"]))
            sharpest["sharpest"] = True
            best.append(sharpest["plane"])
    return best


def _cells(plane: Mapping[str, Any]) -> list[str]:
    least = "<= " if plane["resolution_at_limit"] else ""
    shares = (plane["clipped_low"], plane["clipped_high"])
    return [
        _text(plane["sharpness"], ".4f"),
        _text(plane["resolution_um"], ".3f", least),
        _text(plane["resolution_px"], ".1f", least),
        _text(plane["noise"], ".4g"),
        *(_text(share, ".2%") for share in shares),
        *distance_cells(plane),
    ]


def _text(value: float, form: str, before: str = "") -> str:
    return "-" if math.isnan(value) else f"{before}{value:{form}}"


def _row(label: str, width: int, titles: Sequence[str], cells: Sequence[str]) -> str:
    """Lay out one row; cells beyond the titles are left out."""
    padded = [
        cell.ljust(max(_CELL, len(title))) for cell, title in zip(cells, titles, strict=False)
    ]
    return "  ".join([label.ljust(width), *padded])
