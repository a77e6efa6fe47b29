"""Options of ``focusfix train --simulate``: the one microscope that blurs sharp images."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from focusfix.cli.lens import out_of_range
from focusfix.errors import UsageError

if TYPE_CHECKING:
    from focusfix.data.simulated_optics import KnownMicroscope

_WAVELENGTH_UM = 0.52


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SimulationOptions:
    """A known microscope instead of random ones."""

    numerical_aperture: Annotated[
        float | None,
        typer.Option(
            metavar="NA",
            help="With --simulate: blur by one objective of this numerical aperture, instead of "
            "by random microscopes. Refocusers need it.",
        ),
    ] = None
    pixel_size_um: Annotated[
        float | None,
        typer.Option(metavar="UM", help="Its pixel size in the sample."),
    ] = None
    wavelength_um: Annotated[
        float | None,
        typer.Option(metavar="UM", help="Its wavelength of light in vacuum. Default: 0.52."),
    ] = None
    refractive_index: Annotated[
        float | None,
        typer.Option(metavar="N", help="Of its immersion medium. Default: 1, air."),
    ] = None
    max_defocus_um: Annotated[
        float | None,
        typer.Option(
            metavar="UM",
            help="How far it goes out of focus, either way. Default: to a blur disc of 12 pixels' "
            "radius.",
        ),
    ] = None


def known_microscope(
    options: SimulationOptions, *, simulate: bool, resume: bool
) -> "KnownMicroscope | None":
    """Put the microscope together that blurs sharp images.

    Parameters
    ----------
    options : SimulationOptions
        As the user gave them.
    simulate, resume : bool
        Whether images are blurred, and whether a run goes on with the microscope that it has.

    Returns
    -------
    KnownMicroscope or None
        None for random ones.

    Raises
    ------
    UsageError
        If an option has no meaning, is out of range, or another one is missing.
    """
    names = (
        "numerical_aperture", "pixel_size_um", "wavelength_um", "refractive_index",
        "max_defocus_um",
    )  # fmt: skip
    given = [name for name in names if getattr(options, name) is not None]
    if not given:
        return None
    option = f"--{given[0].replace('_', '-')}"
    if not simulate or resume:
        raise UsageError(
            f"{option} is for sharp images that a new run blurs with --simulate.",
            f"Leave {option} out, or start a run with --simulate.",
        )
    for needed in names[:2]:
        if needed not in given:
            raise UsageError(
                f"{option} describes the simulated microscope, whose "
                f"{needed.replace('_', ' ').removesuffix(' um')} is missing.",
                f"Give it with --{needed.replace('_', '-')}.",
            )
    return _build(options)


def _build(options: SimulationOptions) -> "KnownMicroscope":
    from pydantic import ValidationError

    from focusfix.data.simulated_optics import KnownMicroscope, usual_farthest_um
    from focusfix.optics import OpticsSettings

    try:
        given = {
            name: getattr(options, name)
            for name in OpticsSettings.model_fields
            if getattr(options, name, None) is not None
        }
        optics = OpticsSettings.model_validate({"wavelength_um": _WAVELENGTH_UM, **given})
        farthest_um = options.max_defocus_um
        if farthest_um is None:
            farthest_um = usual_farthest_um(optics)
        elif not 0 < farthest_um < float("inf"):
            raise UsageError("--max-defocus-um must be greater than 0.", "Give micrometres.")
        return KnownMicroscope(optics=optics, farthest_um=farthest_um)
    except ValidationError as error:
        raise out_of_range(error.errors()) from error
