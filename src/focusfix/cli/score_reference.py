"""Scores of images against a reference, and the gain over their inputs."""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from focusfix.cli.console import Console
from focusfix.cli.files import Record
from focusfix.cli.image_pairs import Comparison, match_planes, read_intensities
from focusfix.cli.scales import pixel_range
from focusfix.cli.score_distance import FocusDistances, average_by_distance
from focusfix.cli.score_options import ScoreFormat, ScoreOptions
from focusfix.cli.score_profile import ProfileRun
from focusfix.cli.score_tables import (
    column_names,
    csv_lines,
    csv_rows,
    csv_titles,
    json_value,
    short_header,
    short_row,
    single_table,
    summary_table,
    trust_lines,
)
from focusfix.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from focusfix.io.image import ImageReader

NYQUIST_PER_PX = 0.5

_DARK_SHARE = 0.25


@dataclass
class Scoring:
    """What is the same for every image of one run, and the scores so far.

    Parameters
    ----------
    options : ScoreOptions
        As the user gave them.
    console : Console
        Where the run reports.
    jobs : sequence of Comparison
        All images.
    distances : FocusDistances
        What is known of their distances from focus.
    profiles : ProfileRun
        Where widths are measured, if they are.
    told : set of str
        Kinds of warnings given so far: what is odd about one file mostly is about all.
    records : list of dict
        One for each image that was scored.
    """

    options: ScoreOptions
    console: Console
    jobs: Sequence[Comparison]
    distances: FocusDistances
    profiles: ProfileRun
    told: set[str] = field(default_factory=set)
    records: list[Record] = field(default_factory=list)

    def process(self, job: Comparison) -> Record:
        """Score one image.

        Returns
        -------
        dict
            What was compared, and the scores of each plane and their means.
        """
        from focusfix.io.image import open_image

        axes = self.options.axes
        with ExitStack() as files:
            paths = [job.source, job.reference, *([job.blurry] if job.blurry else [])]
            readers = [files.enter_context(open_image(path, axes=axes)) for path in paths]
            image, reference = readers[:2]
            data_range, origin = self._data_range(reference)
            self._compare_depths(image, reference)
            trust = files.enter_context(open_image(job.trust, axes=axes)) if job.trust else None
            planes = self._score_planes(readers, data_range, trust)
        self._tell_dark(reference, data_range, max(plane.pop("brightest") for plane in planes))
        record = {
            "output": str(job.source),
            "reference": str(job.reference),
            "input": str(job.blurry) if job.blurry else None,
            "trust_map": str(job.trust) if job.trust else None,
            "data_range": data_range,
            "data_range_from": origin,
            "profile_at": self.profiles.at,
            **_average([plane["scores"] for plane in planes]),
            "by_distance": average_by_distance(planes),
            "planes": planes,
        }
        self.records.append(record)
        return record if self.options.format != ScoreFormat.JSON else json_value(record)

    def show(self, record: Record) -> str:
        """Lay the scores of one image out as table or CSV."""
        first = len(self.records) == 1
        if self.options.format == ScoreFormat.CSV:
            return csv_lines([*([csv_titles(record)] if first else []), *csv_rows(record)])
        width = max(len(str(job.source)) for job in self.jobs)
        if len(self.jobs) == 1:
            return single_table(record)
        row = short_row(record["output"], width, record["scores"])
        return "\n".join([short_header(width, record["scores"]), row]) if first else row

    def summary(self) -> Record:
        """Average over all planes of all images so far."""
        planes = [plane for record in self.records for plane in record["planes"]]
        return {
            "files": len(self.records),
            "planes": len(planes),
            **_average([plane["scores"] for plane in planes]),
            "by_distance": average_by_distance(planes),
        }

    def finish(self) -> dict[str, float]:
        """Print the means over several images; return them."""
        summary = self.summary()
        if len(self.jobs) > 1 and self.records:
            if self.options.format == ScoreFormat.JSON:
                self.console.record(json_value({"summary": summary}))
            elif self.options.format == ScoreFormat.TABLE:
                ranges = sorted({record["data_range"] for record in self.records})
                self.console.result(summary_table(summary, ranges))
        extras = (trust_lines(self.records), self.profiles.table())
        for text in extras if self.options.format == ScoreFormat.TABLE else ():
            if text:
                self.console.result(f"\n{text}")
        return dict(summary["scores"])

    def _score_planes(
        self, readers: "Sequence[ImageReader]", data_range: float, trust: "ImageReader | None"
    ) -> list[Record]:
        from focusfix.io.naming import display_name

        image = readers[0]
        trust_positions = match_planes(image, trust) if trust else []
        positions = [match_planes(image, each) for each in readers]
        profiles = self.profiles.start(image)
        planes = []
        with self.console.progress(display_name(image.path)) as advance:
            for number, plane in enumerate(image.metadata.planes):
                pixels = [
                    read_intensities(reader, where[number])
                    for reader, where in zip(readers, positions, strict=True)
                ]
                _check_range(readers[1], pixels[1], data_range)
                shown = [  # the input is listed rather than the output; the reference is in focus
                    (reader.path, where[number])
                    for reader, where in zip(readers, positions, strict=True)
                    if reader is not readers[1]
                ]
                dz_um = self.distances.distance_um(shown[::-1])
                scores = self._score_plane(pixels, data_range)
                scores["trust"] = None
                if trust is not None:
                    expected = read_intensities(trust, trust_positions[number])
                    scores["trust"] = _compare_errors(expected, *pixels[:2])
                scores["profile"] = profiles.measure(_by_role(pixels), plane.coordinates)
                planes.append({"plane": dict(plane.coordinates), "dz_um": dz_um, **scores})
                advance((number + 1) / image.metadata.n_planes)
        self.profiles.take(profiles, readers[1].path)
        return planes

    def _score_plane(self, pixels: "Sequence[np.ndarray]", data_range: float) -> Record:
        from focusfix.metrics.scorecard import MEASURES, score_plane

        image, reference = pixels[:2]
        band = self._lost_band(pixels)
        after, *before = (
            score_plane(
                each,
                reference,
                data_range=data_range,
                band=band,
                affine=self.options.affine_fit,
            )
            for each in (image, *pixels[2:])
        )
        scores = {}
        for name, value in after.items():
            column, input_column, gain_column = column_names(name)
            scores[column] = value
            for nothing in before:
                scores[input_column] = nothing[name]
                scores[gain_column] = MEASURES[name].gain(nothing[name], value)
        return {
            "lost_band_per_px": list(band) if band else None,
            "scores": scores,
            "brightest": float(reference.max()),
        }

    def _lost_band(self, pixels: "Sequence[np.ndarray]") -> tuple[float, float] | None:
        """Take the band that the user names, or find the one that the input has lost."""
        if self.options.band_from is not None:
            return self.options.band_from, NYQUIST_PER_PX
        from focusfix.metrics.spectrum import LEAST_SIZE_PX, find_lost_band

        if len(pixels) < 3 or min(pixels[1].shape[:2]) < LEAST_SIZE_PX:
            return None
        return find_lost_band(pixels[2].mean(axis=-1), pixels[1].mean(axis=-1))

    def _data_range(self, reference: "ImageReader") -> tuple[float, str]:
        if self.options.data_range is not None:
            return self.options.data_range, "--data-range"
        metadata = reference.metadata
        if metadata.dtype.kind == "f":
            raise UsageError(
                f"{reference.path} holds floating-point numbers, which declare no largest value.",
                "Give it with --data-range, for example --data-range 1.",
            )
        bits = metadata.significant_bits
        declared = f"{bits} bits" if bits else str(metadata.dtype)
        return pixel_range(metadata)[1], f"{declared} of {reference.path.name}"

    def _compare_depths(self, image: "ImageReader", reference: "ImageReader") -> None:
        kinds = [each.metadata.dtype for each in (image, reference)]
        if kinds[0] != kinds[1] and all(kind.kind in "iu" for kind in kinds):
            self._warn_once(
                "types",
                f"{image.path} is {kinds[0]} and {reference.path} {kinds[1]}: their grey values "
                "are compared as they are; --affine-fit allows for another scale",
            )

    def _tell_dark(self, reference: "ImageReader", data_range: float, brightest: float) -> None:
        if self.options.data_range is None and brightest < _DARK_SHARE * data_range:
            self._warn_once(
                "dark",
                f"{reference.path}: the brightest grey value is {brightest:g} of a data range of "
                f"{data_range:g}; if the camera has fewer bits than the file, give --data-range, "
                "or PSNR and SSIM are too high",
            )

    def _warn_once(self, kind: str, text: str) -> None:
        if kind not in self.told:
            self.told.add(kind)
            self.console.warning(text)


def limit_names(options: ScoreOptions) -> dict[str, str]:
    """List what ``--fail-under`` can check against a reference, and why not the rest.

    Returns
    -------
    dict of str to str
        Names of scores with a reason; the reason is empty for those that can be checked.
    """
    from focusfix.metrics.scorecard import AFFINE, MEASURES

    names = {}
    for measure in MEASURES.values():
        column, _, gain = column_names(measure.name)
        reason = ""
        if column.endswith(AFFINE) and not options.affine_fit:
            reason = "it needs --affine-fit"
        names[column] = reason
        names[gain] = reason or ("" if options.input else "a gain needs --input")
        if measure.best == "low":
            names[column] = f"{column} is better the smaller it is; {gain} can be checked"
    return names


def _average(scores: Sequence[dict[str, float]]) -> Record:
    from focusfix.metrics.scorecard import mean_scores

    means, left_out = mean_scores(scores)
    return {"scores": means, "left_out": left_out}


def _compare_errors(expected: "np.ndarray", image: "np.ndarray", reference: "np.ndarray") -> Record:
    from focusfix.metrics.expected_error import compare_expected_error

    return compare_expected_error(expected, image, reference)._asdict()


def _by_role(pixels: "Sequence[np.ndarray]") -> "dict[str, np.ndarray]":
    """Name images, given as output, reference and maybe input; the reference last. Grey."""
    grey = [each.mean(axis=-1) for each in pixels]
    before = {"input": grey[2]} if len(grey) > 2 else {}
    return {"output": grey[0], **before, "reference": grey[1]}


def _check_range(reference: "ImageReader", pixels: "np.ndarray", data_range: float) -> None:
    low, high = float(pixels.min()), float(pixels.max())
    if low < 0 or high > data_range:
        raise InputError(
            f"{reference.path} holds grey values from {low:g} to {high:g}, outside the data range "
            f"of 0 to {data_range:g}.",
            "Give the largest possible grey value with --data-range.",
        )
