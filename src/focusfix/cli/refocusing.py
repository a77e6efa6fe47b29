"""Refocusers at work on one image: what they are meant for, what they see, what they return."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from focusfix.cli.line_steps import StepOptions
from focusfix.cli.model_choice import Choice
from focusfix.cli.model_record import describe_model
from focusfix.cli.model_shelf import BoundModel, ModelShelf, check_halo
from focusfix.cli.refocus_options import RefocusOptions
from focusfix.cli.restoration import Part, output_metadata
from focusfix.errors import FocusfixError, InputError, UsageError

if TYPE_CHECKING:
    from focusfix.engine.normalize import IntensityScale
    from focusfix.engine.source import PixelSource
    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageReader
    from focusfix.models.refocuser import Refocuser

PIXEL_SIZE_TOLERANCE = 0.1
"""Part by which the pixel size may differ from those of the training."""


@dataclass(frozen=True)
class Refocusing:
    """One refocuser and one image.

    Parameters
    ----------
    shelf : ModelShelf
        Loads the network.
    options : RefocusOptions
        As the user gave them.
    choice : Choice
        The weights and the channels that they are for.
    reader : ImageReader
        The image.
    survey : Survey
        Its scales.
    sizes : StepOptions
        Tiles and batches, parsed from the options.
    """

    shelf: ModelShelf
    options: RefocusOptions
    choice: Choice
    reader: "ImageReader"
    survey: "Survey"
    sizes: StepOptions

    def __post_init__(self) -> None:
        """Refuse an image whose pixels are not those of the training.

        Raises
        ------
        InputError
            Unless the user forces it.
        """
        sizes = self.choice.header.pixel_size_um
        if sizes is None:
            return
        low, high = sizes
        trained = f"{low:g}" if low == high else f"{low:g} to {high:g}"
        reason = f"the model {self.name} knows distances for pixels of {trained} um"
        found = output_metadata(self.reader.metadata, self.options).pixel_size_um
        if found is None:
            self._refuse(
                InputError(
                    f"{self.reader.path} does not say its pixel size, and {reason}.",
                    "Give it with --pixel-size-um, or --force.",
                )
            )
            return
        size = max(found)
        if not low * (1 - PIXEL_SIZE_TOLERANCE) <= size <= high * (1 + PIXEL_SIZE_TOLERANCE):
            self._refuse(
                InputError(
                    f"{self.reader.path} has pixels of {size:g} um, and {reason}: it would invent "
                    "structure.",
                    "Resample the image, correct its pixel size with --pixel-size-um, or give "
                    "--force.",
                )
            )

    @property
    def name(self) -> str:
        """What to call the weights."""
        return self.choice.path.stem

    @property
    def network(self) -> "Refocuser":
        """The network itself."""
        from focusfix.models.refocuser import Refocuser

        network = self.shelf.load(self.choice).network
        assert isinstance(network, Refocuser)
        return network

    def check_reach(self, farthest_um: float) -> None:
        """Refuse distances that the network is not meant for.

        Raises
        ------
        UsageError
            Unless the user forces it.
        """
        most_um = self.network.range_um
        if abs(farthest_um) > most_um:
            self._refuse(
                UsageError(
                    f"The model {self.name} is meant for up to {most_um:g} um either way, not for "
                    f"{farthest_um:g} um.",
                    "Give a --dz-um within that range, or --force.",
                )
            )

    def at(self, dz_um: float) -> BoundModel:
        """Make the network ready for one distance; it takes one image."""
        from focusfix.operations.bindings import bind_distance

        return self.shelf.bind(
            self.choice, lambda network: bind_distance(network, dz_um), key=("dz_um", dz_um)
        )

    def on_surface(self) -> BoundModel:
        """Make the network ready for a surface; it takes an image and its distances."""
        from focusfix.operations.bindings import bind_surface

        return self.shelf.bind(self.choice, bind_surface, images=2, key="surface")

    def from_planes(self, distances_um: tuple[float, ...]) -> BoundModel:
        """Make the network ready for planes at some distances; it takes an image before them."""
        from focusfix.operations.bindings import bind_planes

        return self.shelf.bind(
            self.choice,
            lambda network: bind_planes(network, distances_um),
            images=1 + len(distances_um),
            key=("planes", distances_um),
        )

    def unchanged(self) -> BoundModel:
        """Make what passes images on as they are."""
        from focusfix.models.bound_line import ChosenImage

        return self.shelf.bind(self.choice, lambda _: ChosenImage(0), key="unchanged")

    def part(
        self,
        bound: BoundModel,
        planes: Sequence[int],
        *,
        scales: "tuple[IntensityScale, ...] | None" = None,
        companions: "tuple[PixelSource, ...]" = (),
    ) -> Part:
        """Make the part of some planes.

        Parameters
        ----------
        bound : BoundModel
            What is done to them.
        planes : sequence of int
            Positions in what the engine reads.
        scales : tuple of IntensityScale, optional
            One for each plane of what the engine reads; those of the image when not given.
        companions : tuple of PixelSource
            What the network sees beside them.

        Returns
        -------
        Part
        """
        from focusfix.engine.tiles import plan_tiles
        from focusfix.operations.images import choose_batch_size

        check_halo(bound.footprint, self.sizes.halo_px)
        shape = self.reader.metadata.shape_yx
        plan = plan_tiles(
            shape,
            bound.footprint,
            tile_px=self.sizes.tile_px,
            halo_px=self.sizes.halo_px,
            most_px=bound.most_tile_px,
        )
        batch = self.sizes.batch_size or choose_batch_size(plan.tile_shape, bound.function.device)
        known = self.survey.scales if scales is None else scales
        return Part(tuple(planes), bound.function, plan, known, batch, companions)

    def describe(self, bound: BoundModel, part: Part) -> dict[str, Any]:
        """Describe model, tiles and scales for a sidecar."""
        network = self.network
        described = describe_model(self.shelf, self.choice, bound.function, part)
        return {**described, "sign": network.sign, "range_um": network.range_um}

    def _refuse(self, error: FocusfixError) -> None:
        """Raise an error, or only tell its cause where the user forces it."""
        if not self.options.force:
            raise error
        self.shelf.console.warning(error.cause.removesuffix("."))
