"""Restoration without learning, bound to one image: its lens, its distance, its spectrum."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, get_args

import numpy as np
import numpy.typing as npt

from focusfix.classical.distance import estimate_distance, farthest_visible
from focusfix.classical.lens import FocusChange
from focusfix.classical.richardson_lucy import RichardsonLucy, check_iterations
from focusfix.classical.sharpening import UnsharpMask
from focusfix.classical.spectrum import LEAST_SIZE_PX, fit_signal, ring_power, ring_transfer
from focusfix.classical.wiener import DOUBTFUL_MISFIT, plan_wiener
from focusfix.errors import InputError
from focusfix.footprint import Footprint
from focusfix.optics import OpticsSettings

Tiles = npt.NDArray[np.float32]

PlaneModel = Literal["richardson-lucy", "wiener", "unsharp"]
"""Methods that restore every plane on its own."""

PLANE_MODELS: tuple[str, ...] = get_args(PlaneModel)
LENS_MODELS = ("richardson-lucy", "wiener")
"""Methods that must know the lens and the distance from focus."""


class TileRestorer(Protocol):
    """A tile function that knows how far it looks."""

    @property
    def footprint(self) -> Footprint:
        """Reach, stride and whether tiles are exact."""
        ...

    def __call__(self, tiles: Tiles) -> Tiles:
        """Restore tiles of shape (N, 1, Y, X)."""
        ...


@dataclass(frozen=True)
class ClassicalSettings:
    """What the user decides.

    Parameters
    ----------
    model : {"richardson-lucy", "wiener", "unsharp"}
        The method.
    dz_um : float, optional
        Distance from focus; micrometres. None to have it found in each plane.
    iterations : int
        Of ``richardson-lucy``.
    total_variation : float
        Weight of the smoothing of ``richardson-lucy``; 0 to 0.25.
    radius_px, amount : float
        Of ``unsharp``.

    Raises
    ------
    ValueError
        If a number is out of range.
    """

    model: PlaneModel
    dz_um: float | None = None
    iterations: int = 50
    total_variation: float = 0.01
    radius_px: float = 2.0
    amount: float = 1.0

    def __post_init__(self) -> None:
        UnsharpMask(self.radius_px, self.amount)
        check_iterations(self.iterations, self.total_variation)

    @property
    def needs_lens(self) -> bool:
        """Whether it depends on the lens and the distance from focus."""
        return self.model in LENS_MODELS

    @property
    def looks_at_planes(self) -> bool:
        """Whether the function depends on the plane: its distance, or its spectrum."""
        return self.model == "wiener" or (self.needs_lens and self.dz_um is None)


@dataclass(frozen=True)
class ClassicalFunction:
    """A method with all its parameters.

    Parameters
    ----------
    function : TileRestorer
        The tile function.
    details : dict
        The parameters, for the sidecar.
    dz_um : float, optional
        Distance from focus that it is for; micrometres.
    may_be_farther : bool
        Whether the distance was found at the end of the search.
    """

    function: TileRestorer
    details: dict[str, Any] = field(default_factory=dict)
    dz_um: float | None = None
    may_be_farther: bool = False

    @property
    def is_doubtful(self) -> bool:
        """Whether the plane does not look blurred like that."""
        return bool(self.details.get("misfit", 0.0) > DOUBTFUL_MISFIT)


def bind_classical(
    settings: ClassicalSettings,
    optics: OpticsSettings | None,
    plane: npt.NDArray[np.float64] | None = None,
) -> ClassicalFunction:
    """Make a method ready for the tiles of a plane.

    Parameters
    ----------
    settings : ClassicalSettings
        What the user decided.
    optics : OpticsSettings, optional
        Lens and pixel; not for ``unsharp``.
    plane : ndarray, shape (Y, X), optional
        A window of the plane in grey values, which not all are the same; where it is looked at.

    Returns
    -------
    ClassicalFunction

    Raises
    ------
    InputError
        If the window is too small to tell its noise or its distance from focus.
    ValueError
        If a setting is out of range, or there is no lens or plane where one is needed.
    """
    if settings.model == "unsharp":
        mask = UnsharpMask(settings.radius_px, settings.amount)
        return ClassicalFunction(mask, {"radius_px": mask.radius_px, "amount": mask.amount})
    if optics is None:
        raise ValueError(f"{settings.model} needs a lens")
    plane = _check_size(plane) if settings.looks_at_planes else np.empty(0)
    found = None
    if settings.dz_um is None:
        farthest_um = farthest_visible(optics, (plane.shape[0], plane.shape[1]))
        found = estimate_distance(plane, optics, farthest_um=farthest_um)
    dz_um = abs(settings.dz_um) if settings.dz_um is not None else found.dz_um if found else 0.0
    change = FocusChange.of_lens(optics, dz_um)
    details: dict[str, Any] = {"dz_um": dz_um, "dz_found": found is not None}
    if found is not None:
        details["misfit"] = found.misfit
    function: TileRestorer
    if settings.model == "wiener":
        function, found_in_spectrum = _wiener(change, plane)
        details |= found_in_spectrum
    else:
        function = RichardsonLucy(change, settings.iterations, settings.total_variation)
        details |= {
            "iterations": settings.iterations,
            "total_variation": settings.total_variation,
        }
    details["optics"] = optics.model_dump()
    return ClassicalFunction(function, details, dz_um, found is not None and found.at_the_end)


def _wiener(
    change: FocusChange, plane: npt.NDArray[np.float64]
) -> tuple[TileRestorer, dict[str, float]]:
    """Plan the filter of a plane; also say what was read from its spectrum."""
    spectrum = ring_power(plane)
    signal, misfit = fit_signal(spectrum, ring_transfer(change.blurred, spectrum.power.size))
    details = {"noise_counts": float(np.sqrt(signal.noise)), "misfit": misfit}
    return plan_wiener(change, signal, misfit=misfit), details


def _check_size(plane: npt.NDArray[np.float64] | None) -> npt.NDArray[np.float64]:
    if plane is None:
        raise ValueError("a plane is needed to read blur and noise from")
    if min(plane.shape) < LEAST_SIZE_PX:
        height, width = plane.shape
        raise InputError(
            f"An image of {height} x {width} pixels is too small to read its blur and noise from.",
            f"Give one of at least {LEAST_SIZE_PX} pixels a side, or use --model unsharp.",
        )
    return plane
