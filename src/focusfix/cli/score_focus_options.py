"""Options of ``focusfix score`` about distance from focus, without a reference."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

AUTO = "auto"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class FocusOptions:
    """What turns the blur of an image into a distance, and where its map goes."""

    numerical_aperture: Annotated[
        float | None,
        typer.Option(
            metavar="NA",
            help="Without a reference: numerical aperture of the objective, to tell how far from "
            "focus planes are, up to the sign.",
        ),
    ] = None
    refractive_index: Annotated[
        float,
        typer.Option(metavar="N", help="Of the immersion medium; air 1, water 1.33."),
    ] = 1.0
    blur_model: Annotated[
        str,
        typer.Option(
            metavar="auto|NAME|PATH",
            help="Weights that read the blur; auto chooses among the installed ones by the image. "
            "Those of manifold-1d tell distances without --numerical-aperture.",
        ),
    ] = AUTO
    focus_map: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.tif",
            help="Write the distance from focus and its expected error for each neighbourhood, in "
            "micrometres; for several images a folder, or a template with {stem}.",
        ),
    ] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace focus maps that exist.")
    ] = False
