"""One window of an image, on the grid of a network and through it without tiles."""

from typing import TYPE_CHECKING

from focusfix.engine.tiles import reflect_positions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from focusfix.models.base import Restorer
    from focusfix.runtime.device import Device

    Plane = npt.NDArray[np.float32]


def fit_to_stride(plane: "Plane", stride_px: int) -> "Plane":
    """Cut a plane evenly to multiples of a stride; one that is smaller is continued by reflection.

    Parameters
    ----------
    plane : ndarray of float32, shape (Y, X)
        Scaled intensities.
    stride_px : int
        Grid that the result fits; pixels.

    Returns
    -------
    ndarray of float32, shape (Y', X')
        A copy.
    """
    import numpy as np

    rows, columns = (_fitting(length, stride_px) for length in plane.shape)
    return np.ascontiguousarray(plane[rows[:, None], columns])


def _fitting(length: int, stride_px: int) -> "npt.NDArray[np.intp]":
    if length < stride_px:
        return reflect_positions(0, stride_px, length)
    rest = length % stride_px
    return reflect_positions(rest // 2, length - rest + rest // 2, length)


def run_whole(binding: "Restorer", images: "Plane", device: "Device") -> "Plane":
    """Run a binding once, on one window and without tiles.

    Parameters
    ----------
    binding : Restorer
        Put in evaluation mode and moved.
    images : ndarray of float32, shape (C, Y, X)
        Scaled intensities of one field; Y and X are multiples of the stride.
    device : Device
        Where to run.

    Returns
    -------
    ndarray of float32, shape (Y, X)
    """
    import torch

    binding.eval().to(device.name)
    with torch.inference_mode():
        restored = binding(torch.from_numpy(images)[None].to(device.name))
    plane: Plane = restored[0, 0].float().cpu().numpy()
    return plane
