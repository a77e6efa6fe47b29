"""Distance from focus of scored planes, where a manifest beside the images knows it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.console import Console
from focusfix.cli.files import Record
from focusfix.errors import InputError

if TYPE_CHECKING:
    from focusfix.data.focus_series import FocusSeries

_STEP_UM = 0.001
"""Distances closer than this are one."""


@dataclass
class FocusDistances:
    """What the manifests beside the images say of distances from focus.

    A plane is looked up by its file; where the file is not listed, by its name, as outputs have
    the names of their inputs.

    Parameters
    ----------
    by_file : dict
        Signed distance of a plane, by file and position of the plane; micrometres.
    by_name : dict
        The same by the name of the file; None where files of one name differ.
    in_focus : dict
        By the name of a file, the names under which its in-focus image may be found.
    """

    by_file: dict[tuple[Path, int], float] = field(default_factory=dict)
    by_name: dict[tuple[str, int], float | None] = field(default_factory=dict)
    in_focus: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def add(self, series: "FocusSeries") -> bool:
        """Take the heights of one field; return whether it states any."""
        if series.z_um is None:
            return False
        focus_um = 0.0
        if series.focal_level is not None:
            focus_um = series.z_um[series.z_levels.index(series.focal_level)]
        distances = [height - focus_um for height in series.z_um]
        sharp = [
            source.path.name
            for source, distance in zip(series.planes, distances, strict=True)
            if abs(distance) < _STEP_UM
        ]
        for source, distance in zip(series.planes, distances, strict=True):
            self.by_file[source.path.resolve(), source.plane] = distance
            key = source.path.name, source.plane
            known = self.by_name.setdefault(key, distance)
            if known is None or abs(known - distance) >= _STEP_UM:
                self.by_name[key] = None
            self.in_focus[source.path.name] = (*sharp, series.field)
        return True

    def distance_um(self, planes: Sequence[tuple[Path, int]]) -> float | None:
        """Look up one plane.

        Parameters
        ----------
        planes : sequence of (Path, int)
            Files that show it and its position in each, the likeliest to be listed first.

        Returns
        -------
        float, optional
            Micrometres, signed; None if it is not known.
        """
        listed = [self.by_file.get((file.resolve(), at)) for file, at in planes]
        listed += [self.by_name.get((file.name, at)) for file, at in planes]
        return next((distance for distance in listed if distance is not None), None)


def read_distances(places: Iterable[Path], axes: str | None, console: Console) -> FocusDistances:
    """Read the manifests beside images.

    Parameters
    ----------
    places : iterable of Path
        Images and folders of images; a manifest may also lie in the folder above.
    axes : str, optional
        Axes instead of those that the files state.
    console : Console
        Told of manifests that are used, and warned of those that cannot be.

    Returns
    -------
    FocusDistances
        Empty if there is no manifest, or it states no heights.
    """
    from focusfix.data.layouts import MANIFEST_NAME
    from focusfix.data.manifest import index_manifest

    folders = [path if path.is_dir() else path.parent for path in places]
    candidates = {
        each / MANIFEST_NAME: None for folder in folders for each in (folder, folder.parent)
    }
    found = {path.resolve(): path for path in reversed(candidates) if path.is_file()}
    distances = FocusDistances()
    for manifest in found.values():
        try:
            series, _ = index_manifest(manifest, axes)
        except InputError as error:
            console.warning(f"distances from focus are not known: {error.cause}")
            continue
        with_heights = [each for each in series if distances.add(each)]
        if with_heights:
            declared = all(each.focal_level is not None for each in with_heights)
            origin = "the focal_level" if declared else "z_um = 0"
            console.note(f"distances from focus are those of {manifest}, counted from {origin}")
    return distances


def average_by_distance(planes: Iterable[Mapping[str, object]]) -> list[Record]:
    """Average the scores of planes at each distance from focus.

    Parameters
    ----------
    planes : iterable of mapping
        Each with ``dz_um``, which may be None, and ``scores``.

    Returns
    -------
    list of dict
        ``dz_um``, number of ``planes``, mean ``scores`` and how many values were ``left_out`` of
        them, by ascending distance; empty if no distance is known.
    """
    from focusfix.metrics.scorecard import mean_scores

    groups: dict[int, list[Mapping[str, float]]] = {}
    for plane in planes:
        distance, scores = plane["dz_um"], plane["scores"]
        if isinstance(distance, float) and isinstance(scores, dict):
            groups.setdefault(round(distance / _STEP_UM), []).append(scores)
    averages = []
    for steps, scores in sorted(groups.items()):
        means, left_out = mean_scores(scores)
        distance_um = round(steps * _STEP_UM, 3)
        averages.append(
            {"dz_um": distance_um, "planes": len(scores), "scores": means, "left_out": left_out}
        )
    return averages
