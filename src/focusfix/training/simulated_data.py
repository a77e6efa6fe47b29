"""Training data from sharp images that simulated microscopes blur as they are drawn."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from focusfix.config import Modality
from focusfix.data.focus_series import SPLITS
from focusfix.data.image_files import list_images
from focusfix.data.level_choice import TripletPattern
from focusfix.data.sampling import assign_splits
from focusfix.data.sharp_images import SharpImage, keep_in_focus, read_sharp_images
from focusfix.data.simulate import SimulationSettings
from focusfix.data.simulate_series import LEVELS, SeriesSimulator, list_level_triplets
from focusfix.data.simulated_optics import KnownMicroscope
from focusfix.errors import InputError
from focusfix.io.image import open_image
from focusfix.metrics.modality import guess_modality
from focusfix.optics import blur_radius_px
from focusfix.training.data_sources import SampleSource, count_splits
from focusfix.training.settings import RunSettings

_UNSHARP_SHARE, _FEWEST_COMPARED = 0.15, 20
_VALIDATION_SEED_STEP = 1
_GUESSED_FROM = 9


class SimulatedData:
    """Sharp images, blurred by simulated microscopes as they are drawn.

    Parameters
    ----------
    folder : Path
        With the images.
    settings : RunSettings
        With ``simulation`` set.
    pattern : str, optional
        Glob that file names must match.

    Raises
    ------
    InputError
        If there are no images to train on.
    """

    has_truth = True

    def __init__(self, folder: Path, settings: RunSettings, pattern: str | None = None) -> None:
        self.settings = settings
        paths = list_sharp_images(folder, pattern)
        absorbing = settings.simulation is not None and settings.simulation.brightfield
        images = read_sharp_images(paths, absorbing=absorbing)
        self.n_planes = len(images)
        self.images = keep_in_focus(images, drop_share=_UNSHARP_SHARE, fewest=_FEWEST_COMPARED)
        kept = {image.path for image in self.images}
        self.name_of_path = {p: p.relative_to(folder).as_posix() for p in paths if p in kept}
        split_of_name = assign_splits(
            list(self.name_of_path.values()),
            validation_share=settings.validation_share,
            test_share=settings.test_share,
            seed=settings.seed,
            order=settings.split,
        )
        self.split_of_path = {p: split_of_name[name] for p, name in self.name_of_path.items()}

    def _in_split(self, split: str) -> list[SharpImage]:
        return [image for image in self.images if self.split_of_path[image.path] == split]

    @cached_property
    def train(self) -> SampleSource:
        """Samples to learn from."""
        assert self.settings.simulation is not None
        return _simulator(self._in_split("train"), self.settings.simulation, self.settings.seed)

    @cached_property
    def validation(self) -> SampleSource | None:
        """Samples from images that are kept from training, through microscopes of their own."""
        assert self.settings.simulation is not None
        images = self._in_split("validation")
        bank = min(self.settings.validation_crops, self.settings.simulation.optics_bank)
        simulation = self.settings.simulation.model_copy(update={"optics_bank": bank})
        seed = self.settings.seed + _VALIDATION_SEED_STEP
        return _simulator(images, simulation, seed) if images else None

    @property
    def modality(self) -> Modality:
        """Kind of image that is simulated."""
        assert self.settings.simulation is not None
        return "brightfield" if self.settings.simulation.brightfield else "fluorescence"

    @property
    def split_table(self) -> list[dict[str, str]]:
        """One row for each image."""
        return [
            {"field": self.name_of_path[path], "split": split}
            for path, split in self.split_of_path.items()
        ]

    @property
    def crops_per_epoch(self) -> int:
        """Crops that cover every training image about once."""
        area = self.settings.crop_size**2
        return sum(max(1, image.plane.size // area) for image in self._in_split("train"))

    @property
    def card(self) -> dict[str, Any]:
        """Fields of the checkpoint header."""
        simulation = self.settings.simulation
        assert simulation is not None
        trained_on = f"{len(self._in_split('train'))} sharp images, simulated defocus"
        if simulation.known is None:
            return {
                "numerical_aperture": simulation.numerical_aperture,
                "blur_radius_px": (0.0, simulation.max_blur_radius_px),
                "trained_on": trained_on,
            }
        optics, farthest_um = simulation.known.optics, simulation.known.farthest_um
        return {
            "pixel_size_um": (optics.pixel_size_um,) * 2,
            "numerical_aperture": (optics.numerical_aperture,) * 2,
            "blur_radius_px": (0.0, blur_radius_px(optics, farthest_um)),
            "trained_on": f"{trained_on} to {farthest_um:g} um",
        }

    def count_triplets(self, pattern: TripletPattern) -> dict[str, int]:
        """Count the triplets of levels of each split; fields and microscopes are drawn."""
        return self._count(len(list_level_triplets(pattern)))

    def count_groups(self, size: int) -> dict[str, int]:
        """Count the images of each split."""
        if size > LEVELS:
            raise InputError(
                f"A simulated series has {LEVELS} levels, fewer than {size}.",
                "Ask for groups of fewer levels.",
            )
        return self._count(1)

    def count_refocus_pairs(self) -> dict[str, int]:
        """Count the ways from one level to another of each split."""
        assert self.settings.simulation is not None
        if self.settings.simulation.known is None:
            raise InputError(
                "Refocusing is learned for one microscope: the blur of a distance in micrometres "
                "depends on lens and pixel, and --simulate draws random ones.",
                "Give those of yours with --numerical-aperture and --pixel-size-um.",
            )
        levels = 2 * LEVELS - 1
        return self._count(levels * (levels - 1))

    def _count(self, times: int) -> dict[str, int]:
        return {split: times * len(self._in_split(split)) for split in SPLITS}

    def close(self) -> None:
        """Do nothing: all images are in memory."""

    def describe(self) -> dict[str, Any]:
        """Summarise how the data were understood."""
        n_unsharp = self.n_planes - len(self.images)
        note = f"the least sharp planes are left out: {n_unsharp} of {self.n_planes}"
        return {
            "layout": "sharp images, simulated defocus",
            "fields": len(self.split_of_path),
            "planes": len(self.images),
            "left_out_unsharp": n_unsharp,
            "shapes": sorted({f"{i.plane.shape[0]} x {i.plane.shape[1]}" for i in self.images}),
            "modality": self.modality,
            "split": count_splits({str(p): split for p, split in self.split_of_path.items()}),
            "crops_per_epoch": self.crops_per_epoch,
            "notes": [note] if n_unsharp else [],
        }


def _simulator(
    images: Sequence[SharpImage], simulation: SimulationSettings, seed: int
) -> SeriesSimulator:
    """Draw from every image as often as it has pixels."""
    areas = [float(image.plane.size) for image in images]
    return SeriesSimulator([image.plane for image in images], areas, simulation, seed)


def list_sharp_images(folder: Path, pattern: str | None = None) -> list[Path]:
    """List the images of a folder.

    Parameters
    ----------
    folder : Path
        Searched with its subfolders.
    pattern : str, optional
        Glob that file names must match.

    Returns
    -------
    list of Path
        At least one.

    Raises
    ------
    InputError
        If there is none.
    """
    paths = list_images(folder, pattern)
    if not paths:
        wanted = f"image that matches {pattern}" if pattern else "TIFF, PNG, JPEG or OME-Zarr image"
        raise InputError(f"{folder} holds no {wanted}.", "Name a folder with sharp images.")
    return paths


def plan_simulation(
    paths: Sequence[Path],
    *,
    crop_px: int,
    in_focus_share: float,
    modality: str,
    known: KnownMicroscope | None = None,
) -> SimulationSettings:
    """Choose the simulated microscopes for sharp images.

    Parameters
    ----------
    paths : sequence of Path
        The images; a few of them are looked at.
    crop_px : int
        Side of the crops; pixels, at least 32.
    in_focus_share : float
        Share of pairs whose input is in focus already.
    modality : str
        "fluorescence" or "brightfield"; otherwise what most of the images look like.
    known : KnownMicroscope, optional
        The only microscope, instead of random ones.

    Returns
    -------
    SimulationSettings
    """
    brightfield = modality == "brightfield"
    if modality not in ("fluorescence", "brightfield"):
        looked_at = paths[:: max(1, len(paths) // _GUESSED_FROM)]
        bright = sum(_looks_brightfield(path) for path in looked_at)
        brightfield = 2 * bright > len(looked_at)
    return SimulationSettings(
        crop_px=crop_px, in_focus_share=in_focus_share, brightfield=brightfield, known=known
    )


def _looks_brightfield(path: Path) -> bool:
    with open_image(path) as reader:
        return guess_modality(reader.read_window(0, slice(None), slice(None))) == "brightfield"
