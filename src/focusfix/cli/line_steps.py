"""Models at work between two ends: one step of a ladder of blur, by either family with codes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from focusfix.cli.blurrier_end import BlurrierEnd, scaled_middle
from focusfix.cli.model_choice import Choice
from focusfix.cli.model_record import describe_model
from focusfix.cli.model_shelf import BoundModel, ModelShelf
from focusfix.cli.restoration import Part, planes_of_channels

if TYPE_CHECKING:
    from torch import Tensor

    from focusfix.engine.source import PixelSource
    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageReader


@dataclass(frozen=True)
class Steps:
    """One choice of weights between the two ends of one image.

    Parameters
    ----------
    shelf : ModelShelf
        Loads the network.
    choice : Choice
        The weights and the channels that they are for.
    reader : ImageReader
        The sharper end.
    survey : Survey
        Scales of both ends together.
    end : BlurrierEnd
        The blurrier end.
    codes : tuple of Tensor, optional
        Blur codes of both ends, for models that have them.
    """

    shelf: ModelShelf
    choice: Choice
    reader: "ImageReader"
    survey: "Survey"
    end: BlurrierEnd
    codes: "tuple[Tensor, Tensor] | None"

    @classmethod
    def plan(
        cls,
        shelf: ModelShelf,
        choice: Choice,
        reader: "ImageReader",
        survey: "Survey",
        end: BlurrierEnd,
    ) -> "Steps":
        """Read the blur codes of both ends where the model has them.

        Raises
        ------
        ModelError
            If the weights are damaged.
        """
        codes = None
        if choice.family == "disentangled":
            codes = _read_codes(shelf, choice, reader, survey, end)
        return cls(shelf, choice, reader, survey, end, codes)

    @property
    def takes_pairs(self) -> bool:
        """Whether the model sees both images; else all it needs of the blurrier one is known."""
        return self.codes is None and self.end.second is not None

    def bind(self, alpha: float) -> BoundModel:
        """Make the model ready for one step; 1 is the sharper end and 0 the blurrier one."""
        from focusfix.operations.bindings import bind_blur, bind_interpolation

        codes = self.codes
        if codes is not None:
            return self.shelf.bind(
                self.choice,
                lambda network: bind_blur(network, *codes, alpha=alpha),
                key=(alpha, self.reader.path, self.end.optics, self.end.dz_um),
            )
        psf = self.end.psf
        return self.shelf.bind(
            self.choice,
            lambda network: bind_interpolation(network, alpha=alpha, psf=psf),
            images=2 if self.takes_pairs else 1,
            key=(alpha, self.end.optics, self.end.dz_um),
        )

    def companions(self, times: int = 1) -> "tuple[PixelSource, ...]":
        """Make what the engine reads beside the sharper image, its planes repeated."""
        if not self.takes_pairs or self.end.second is None:
            return ()
        return (self.end.second.source([*range(self.reader.metadata.n_planes)] * times),)

    def part(self, alpha: float, options: "StepOptions", *, rung: int = 0, rungs: int = 1) -> Part:
        """Make the part of one step.

        Parameters
        ----------
        alpha : float
            Weight of the sharper end.
        options : StepOptions
            Sizes of tiles and batches.
        rung, rungs : int
            Which of several copies of the image's planes, one after the other, it is for.

        Returns
        -------
        Part
        """
        from focusfix.cli.model_shelf import check_halo
        from focusfix.engine.tiles import plan_tiles
        from focusfix.operations.images import choose_batch_size

        bound = self.bind(alpha)
        check_halo(bound.footprint, options.halo_px)
        metadata = self.reader.metadata
        plan = plan_tiles(
            metadata.shape_yx,
            bound.footprint,
            tile_px=options.tile_px,
            halo_px=options.halo_px,
            most_px=bound.most_tile_px,
        )
        batch = options.batch_size or choose_batch_size(plan.tile_shape, bound.function.device)
        planes = planes_of_channels(metadata, self.choice.channels)
        return Part(
            tuple(rung * metadata.n_planes + plane for plane in planes),
            bound.function,
            plan,
            self.survey.scales * rungs,
            batch,
            self.companions(rungs),
        )

    def describe(self, part: Part, alpha: float) -> dict[str, Any]:
        """Describe model, tiles and scales for a sidecar; the binding must have been made."""
        return describe_model(self.shelf, self.choice, self.bind(alpha).function, part)


@dataclass(frozen=True)
class StepOptions:
    """Sizes that the user asked for; None for auto.

    Parameters
    ----------
    tile_px, halo_px, batch_size : int, optional
        As in `focusfix.engine.tiles.plan_tiles`; tiles per call.
    """

    tile_px: int | None
    halo_px: int | None
    batch_size: int | None


def _read_codes(
    shelf: ModelShelf,
    choice: Choice,
    reader: "ImageReader",
    survey: "Survey",
    end: BlurrierEnd,
) -> "tuple[Tensor, Tensor]":
    from focusfix.operations.bindings import read_blur_code
    from focusfix.optics import image_plane

    network: Any = shelf.load(choice).network
    images = scaled_middle(reader, choice, survey, end, network.footprint.stride_px)
    psf = end.psf
    blurrier = images[1] if psf is None else image_plane(images[0], psf)
    return read_blur_code(network, images[0]), read_blur_code(network, blurrier)
