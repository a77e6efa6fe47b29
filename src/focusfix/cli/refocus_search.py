"""``--dz-um auto`` for refocusers: how far each plane of an image is from focus, by trying."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from focusfix.cli.lens import LensOptions, choose_optics
from focusfix.cli.refocusing import Refocusing
from focusfix.cli.restoration import output_metadata
from focusfix.cli.second_image import grey
from focusfix.footprint import Footprint

if TYPE_CHECKING:
    import numpy as np

    from focusfix.operations.distance_search import DistanceSearch
    from focusfix.optics import OpticsSettings

_WINDOW_PX = 384
_PLACES = 3
_TOLD_PLANES = 4


def find_distances(refocusing: Refocusing, planes: Sequence[int]) -> "dict[int, DistanceSearch]":
    """Try distances on the liveliest window of each plane, and say which were chosen.

    Parameters
    ----------
    refocusing : Refocusing
        The refocuser and the image.
    planes : sequence of int
        Planes to look at.

    Returns
    -------
    dict of int to DistanceSearch
        By plane. Planes of channels that hold one grey value have no distance.

    Raises
    ------
    UsageError
        If the lens is not possible, or the pixel size is not known.
    """
    optics = checking_optics(refocusing)
    found = {plane: _search(refocusing, plane, optics) for plane in planes}
    _tell(refocusing, found)
    return found


def checking_optics(refocusing: Refocusing) -> "OpticsSettings":
    """Describe the lens that blurs results again: that of the training, as far as it is known.

    Distances are those of the training, whatever microscope the image is from; what the model card
    does not say is taken from the options.

    Raises
    ------
    UsageError
        If the pixel size is unknown, or a value is out of range.
    """
    header, options = refocusing.choice.header, refocusing.options
    metadata = output_metadata(refocusing.reader.metadata, options)
    if header.pixel_size_um is not None:
        middle_um = sum(header.pixel_size_um) / 2
        metadata = replace(metadata, pixel_size_um=(middle_um, middle_um))
    aperture = options.numerical_aperture
    if header.numerical_aperture is not None:
        aperture = sum(header.numerical_aperture) / 2
    else:
        refocusing.shelf.console.note(
            f"results are checked with a numerical aperture of {aperture:g}, since the model "
            f"{refocusing.name} states none; --numerical-aperture names that of its training"
        )
    lens = LensOptions(
        numerical_aperture=aperture,
        wavelength_um=options.wavelength_um,
        refractive_index=options.refractive_index,
    )
    return choose_optics(lens, metadata, refocusing.reader.path)


def _search(refocusing: Refocusing, plane: int, optics: "OpticsSettings") -> "DistanceSearch":
    from focusfix.operations.bindings import bind_distance, run_whole
    from focusfix.operations.distance_search import DistanceSearch, search_distance

    scale = refocusing.survey.scales[plane]
    if scale.constant:
        return DistanceSearch(None, 0.0, ())
    network = refocusing.network
    window = scale.apply(_liveliest_window(refocusing, plane, network.footprint))
    device = refocusing.shelf.execution(refocusing.choice).device

    def refocus(dz_um: float) -> "np.ndarray":
        return run_whole(bind_distance(network, dz_um), window[None], device)

    return search_distance(
        window,
        refocus,
        optics,
        range_um=network.range_um,
        both_ways=network.sign == "stage",
    )


def _liveliest_window(refocusing: Refocusing, plane: int, footprint: Footprint) -> "np.ndarray":
    """Cut the window with the most structure from a plane; grey values, on the network's grid."""
    from focusfix.metrics.noise import LEAST_SIZE_PX
    from focusfix.operations.bindings import fit_to_stride
    from focusfix.operations.reblurring import contrast

    reader = refocusing.reader
    rows, columns = ([*_starts(size)] for size in reader.metadata.shape_yx)
    windows = [
        fit_to_stride(grey(reader.read_window(plane, top, left)), footprint.stride_px)
        for top in rows
        for left in columns
    ]
    if min(windows[0].shape) < LEAST_SIZE_PX:
        return windows[0]
    return max(windows, key=contrast)


def _starts(size: int) -> Iterator[slice]:
    """Cut windows from the start, the middle and the end of an axis."""
    room = max(size - _WINDOW_PX, 0)
    for start in sorted({room * place // (_PLACES - 1) for place in range(_PLACES)}):
        yield slice(start, min(start + _WINDOW_PX, size))


def _tell(refocusing: Refocusing, found: "dict[int, DistanceSearch]") -> None:
    """Say what was chosen, and what cannot be known."""
    console, path = refocusing.shelf.console, refocusing.reader.path
    for plane, search in found.items() if len(found) <= _TOLD_PLANES else ():
        name = f"{path}: " + (f"plane {plane}: " if len(found) > 1 else "")
        if search.best is None:
            console.warning(
                f"{name}no distance gives a sharper image that, blurred again, explains this one: "
                "it is left as it is"
            )
            continue
        console.note(
            f"{name}refocused by {search.best.dz_um:+g} um: {search.best.sharpness_gain:.2f} times "
            f"as sharp, and {search.best.residual / search.contrast:.1%} of the contrast "
            "unexplained when blurred again"
        )
    chosen = [search.best.dz_um for search in found.values() if search.best is not None]
    if chosen and len(found) > _TOLD_PLANES:
        console.note(
            f"{path}: {len(chosen)} of {len(found)} planes refocused by {min(chosen):+g} to "
            f"{max(chosen):+g} um; the sidecar lists them"
        )
    if chosen:
        counted = (
            "the distance is counted from focus"
            if refocusing.network.sign == "focus"
            else "the sign is a guess"
        )
        console.note(
            f"{path}: one plane does not tell on which side of focus it lies, so {counted}"
        )
