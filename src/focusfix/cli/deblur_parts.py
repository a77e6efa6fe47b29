"""What deblurring does to one image: its channels, each through the weights that are for it."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from focusfix.cli.channel_models import choose_models
from focusfix.cli.console import Console
from focusfix.cli.deblur_options import DeblurOptions
from focusfix.cli.deblur_plan import LATENT_LINE
from focusfix.cli.files import Record
from focusfix.cli.focus_reference import bind_focus_code
from focusfix.cli.line_deblurring import bind_line
from focusfix.cli.line_steps import StepOptions
from focusfix.cli.model_choice import Choice
from focusfix.cli.model_record import describe_model
from focusfix.cli.model_shelf import BoundModel, ModelShelf, check_halo
from focusfix.cli.reblur import RestoredPart
from focusfix.cli.refocus_deblurring import refocus_parts
from focusfix.cli.refocus_options import REFOCUSER
from focusfix.cli.refocusing import Refocusing
from focusfix.cli.restoration import Part, planes_of_channels, select_channels
from focusfix.cli.scales import fit_scales, tell_findings
from focusfix.cli.second_image import SecondImage, open_second
from focusfix.cli.two_way import tell_blending

if TYPE_CHECKING:
    from focusfix.engine.survey import Survey
    from focusfix.io.image import ImageReader


@dataclass(frozen=True)
class PartMaker:
    """What is the same for every image of one run.

    Parameters
    ----------
    options : DeblurOptions
        As the user gave them.
    console : Console
        Where the run reports.
    model : str
        Weights to use; "auto" to choose by channel.
    sizes : StepOptions
        Tiles and batches, parsed from the options.
    shelf : ModelShelf
        Networks loaded so far.
    surveys : mapping of (Path, tuple of int) to Survey
        Scales of images and channels that were measured before.
    """

    options: DeblurOptions
    console: Console
    model: str
    sizes: StepOptions
    shelf: ModelShelf
    surveys: "Mapping[tuple[Path, tuple[int, ...]], Survey]"

    def make(
        self,
        stack: ExitStack,
        reader: "ImageReader",
        blurrier: Path | None,
        alpha: float | None,
    ) -> tuple[list[RestoredPart], int]:
        """Make the parts of one image.

        Parameters
        ----------
        stack : ExitStack
            Keeps other files open.
        reader : ImageReader
            The image.
        blurrier : Path, optional
            A blurrier image of the same field.
        alpha : float, optional
            For models that extrapolate; None to have it chosen.

        Returns
        -------
        parts : list of RestoredPart
            Together they hold every plane of the channels wanted once.
        n_gaps : int
            NaN and Inf pixels.
        """
        channels = select_channels(reader.metadata, self.options.channel)
        choices = choose_models(reader, channels, self.model, self.console)
        second = None
        if blurrier is not None:
            axes = self.options.axes
            second = open_second(stack, reader, blurrier, axes, channels, self.console)
        surveys = [self._survey(reader, choice, second) for choice in choices]
        found = list(zip(choices, surveys, strict=True))
        tell_findings(reader, found, self.console)
        if choices[0].family == REFOCUSER:
            refocusing = Refocusing(
                self.shelf, self.options, choices[0], reader, surveys[0], self.sizes
            )
            return refocus_parts(stack, refocusing, self.options.dz_um), surveys[0].n_gaps
        made = [self._part(reader, choice, survey, second, alpha) for choice, survey in found]
        return made, surveys[0].n_gaps

    def _survey(
        self, reader: "ImageReader", choice: Choice, second: SecondImage | None
    ) -> "Survey":
        known = self.surveys.get((reader.path, choice.channels))
        return known or fit_scales(
            reader,
            choice,
            normalize=self.options.normalize,
            camera_offset=self.options.camera_offset,
            nan_policy=self.options.nan_policy,
            companions=() if second is None else (second.source(),),
        )

    def _part(
        self,
        reader: "ImageReader",
        choice: Choice,
        survey: "Survey",
        second: SecondImage | None,
        alpha: float | None,
    ) -> RestoredPart:
        from focusfix.engine.tiles import plan_tiles
        from focusfix.operations.images import choose_batch_size

        bound, details = self._bind(reader, choice, survey, second, alpha)
        check_halo(bound.footprint, self.sizes.halo_px)
        plan = plan_tiles(
            reader.metadata.shape_yx,
            bound.footprint,
            tile_px=self.sizes.tile_px,
            halo_px=self.sizes.halo_px,
            most_px=bound.most_tile_px,
        )
        tell_blending(self.console, reader, choice, plan)
        batch = self.sizes.batch_size or choose_batch_size(plan.tile_shape, bound.function.device)
        part = Part(
            planes_of_channels(reader.metadata, choice.channels),
            bound.function,
            plan,
            survey.scales,
            batch,
            () if second is None else (second.source(),),
        )
        description = {**self._describe(choice, bound, part), **details}
        return RestoredPart(choice, bound.network, survey, part, description)

    def _bind(
        self,
        reader: "ImageReader",
        choice: Choice,
        survey: "Survey",
        second: SecondImage | None,
        alpha: float | None,
    ) -> tuple[BoundModel, Record]:
        """Give the network of one choice its parameters; also say which."""
        if choice.family == LATENT_LINE:
            return bind_line(self.shelf, self.options, reader, choice, survey, second, alpha)
        if choice.family == "disentangled":
            return bind_focus_code(self.shelf, self.options, choice)
        return self.shelf.bind(choice), {}

    def _describe(self, choice: Choice, bound: BoundModel, part: Part) -> Record:
        return describe_model(self.shelf, choice, bound.function, part)
